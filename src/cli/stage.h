// The folder of --stage: where backups are kept while their repository is away
// (docs/adr/0023-stages.md). Below it: `known`, what the repository was last known to hold;
// `staged`, the repository of what waits; `remote`, the URL; `lock`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "cli/command.h"
#include "cli/running.h"
#include "cli/session.h"
#include "engine/stage.h"
#include "io/file.h"
#include "repo/repository.h"

namespace backstay::cli {

struct StageOptions {
  std::string folder;  // empty: none
  std::uint64_t limit_bytes = 10 * kGiB;
};

// --stage and --stage-limit.
void append_stage_options(std::vector<Option>& options, StageOptions& to);

struct WaitingInStage {
  std::uint64_t snapshots = 0;
  std::uint64_t bytes = 0;         // of all that is kept of them
  std::optional<Timestamp> since;  // the oldest, when it was kept
};

class Stage {
 public:
  // The folder need not be there yet.
  Stage(const Context& context, StageOptions options);

  [[nodiscard]] const std::string& folder() const { return options_.folder; }
  // Whether the repository was there once with this stage.
  [[nodiscard]] bool is_prepared() const;
  // not_found where it was not.
  Result<void> require_prepared() const;
  // The URL that it was prepared for; empty where it was not.
  [[nodiscard]] std::string remote() const;
  // permission_denied when it was prepared for another URL than --repo.
  Result<void> require_remote() const;

  // Between processes: many that store, or one that sends and frees. Nothing while others hold what
  // excludes it. It goes with what is returned.
  Result<std::optional<io::Fd>> try_lock(io::FileLock lock) const;

  // Takes what is needed to go on without the repository. Alone with the stage.
  Result<void> learn(backend::Backend& remote) const;
  // Of that, only the keys of what waits.
  Result<void> learn_keys(backend::Backend& remote) const;
  // What was given, else what is asked for, where a key is needed.
  Result<GivenCredential> key_or_ask(const GivenCredential& given) const;
  // What the repository was last known to hold; its packs are not there.
  Result<std::unique_ptr<repo::Repository>> open_known(const GivenCredential& given) const;
  // What waits. Bounded: stores no more than --stage-limit allows.
  enum class Bounds : std::uint8_t { kBounded, kUnbounded };
  Result<std::unique_ptr<repo::Repository>> open_staged(const GivenCredential& given,
                                                        Bounds bounds) const;
  // Without any key.
  Result<WaitingInStage> waiting() const;

 private:
  Result<std::unique_ptr<repo::Repository>> open(std::unique_ptr<backend::Backend> backend,
                                                 const GivenCredential& given,
                                                 const repo::OpenOptions& options) const;

  const Context& context_;
  const StageOptions options_;
};

// Why the repository of --repo counts as away: it does not answer, or it is in a folder of this
// machine that has none now, and the stage knows that there was one. Nothing when it is there, or
// when what is wrong is something else, which opening it will tell.
std::optional<Error> find_away(const Context& context, const Stage& stage);

// Sends what waits, tells of each, and frees the stage. Nothing where others use it just now. The
// key can read.
Result<std::optional<engine::SendReport>> send_stage(Context& context, const Stage& stage,
                                                     repo::Repository& remote,
                                                     const GivenCredential& given);

// Where a snapshot is safe from what befalls this machine, and where not.
enum class Durable : std::uint8_t { kRemote, kStage };
// "remote", "stage"
[[nodiscard]] std::string_view to_string(Durable durable);

// Of both, oldest first: staged ones that are at the repository already are left out.
struct PlacedSnapshots {
  std::vector<repo::StoredSnapshot> snapshots;
  std::vector<snapshot::SnapshotId> staged;  // those that are durable in the stage alone
  [[nodiscard]] Durable durable_of(const snapshot::SnapshotId& id) const;
};
Result<PlacedSnapshots> with_staged(const Context& context, const Stage& stage,
                                    std::vector<repo::StoredSnapshot> snapshots,
                                    const GivenCredential& given);

}  // namespace backstay::cli
