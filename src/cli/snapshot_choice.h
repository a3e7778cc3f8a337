// Which snapshots a command works on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "repo/repository.h"

namespace backstay::cli {

struct SnapshotChoice {
  std::string host;
  std::vector<std::string> tags;   // each "a" or "a,b": all of a list, any of the lists
  std::vector<std::string> paths;  // all of them
  // False when every snapshot fits.
  [[nodiscard]] bool any() const { return !host.empty() || !tags.empty() || !paths.empty(); }
};
// --host, --tag and --path. `target` outlives the options.
void append_choice_options(std::vector<Option>& options, SnapshotChoice& target);

// Those that fit, in the order given.
[[nodiscard]] std::vector<repo::StoredSnapshot> chosen(std::vector<repo::StoredSnapshot> snapshots,
                                                       const SnapshotChoice& choice);

// The snapshot that "latest", "1a2b3c4d", ... means among those that fit. Nobody can say when
// damaged snapshots were made, so one of them may have been meant: they are passed over loudly, or
// that is refused (corruption).
enum class PassOver : std::uint8_t { kWarn, kRefuse };
struct FoundSnapshot {
  repo::StoredSnapshot stored;
  bool certain = true;
  // What a command that did all it could ends with.
  [[nodiscard]] ExitCode done() const { return certain ? ExitCode::kDone : ExitCode::kPartial; }
};
Result<FoundSnapshot> find_snapshot(const Context& context, repo::Repository& repository,
                                    const SnapshotChoice& choice, std::string_view which,
                                    PassOver damaged = PassOver::kWarn);

// Several at once, each of them once. A damaged one can only be meant by its id, so one of the
// other ways is refused while there are any (corruption).
struct NamedSnapshots {
  std::vector<repo::StoredSnapshot> whole;    // in the order given
  std::vector<snapshot::SnapshotId> damaged;  // kTake only
};
enum class DamagedByName : std::uint8_t { kRefuse, kTake };
Result<NamedSnapshots> find_named(const Context& context, repo::Repository& repository,
                                  const SnapshotChoice& choice,
                                  const std::vector<std::string>& names, DamagedByName damaged);

// SNAP..., at least one or any number.
[[nodiscard]] Argument snapshots_argument(std::vector<std::string>& target, Arity arity);

// "a,b" and "c" -> a, b, c.
[[nodiscard]] std::vector<std::string> split_tags(const std::vector<std::string>& lists);

}  // namespace backstay::cli
