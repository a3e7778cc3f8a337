// Which snapshots a command works on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "repo/repository.h"

namespace backstay::cli {

struct SnapshotChoice {
  std::string host;
  std::vector<std::string> tags;   // each "a" or "a,b": all of a list, any of the lists
  std::vector<std::string> paths;  // all of them
};
// --host, --tag and --path. `target` outlives the options.
void append_choice_options(std::vector<Option>& options, SnapshotChoice& target);

// Those that fit, in the order given.
[[nodiscard]] std::vector<repo::StoredSnapshot> chosen(std::vector<repo::StoredSnapshot> snapshots,
                                                       const SnapshotChoice& choice);

// The snapshot that "latest", "1a2b3c4d", ... means among those that fit.
Result<repo::StoredSnapshot> find_snapshot(const Context& context, repo::Repository& repository,
                                           const SnapshotChoice& choice, std::string_view which);

// "a,b" and "c" -> a, b, c.
[[nodiscard]] std::vector<std::string> split_tags(const std::vector<std::string>& lists);

}  // namespace backstay::cli
