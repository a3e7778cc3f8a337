#include "cli/snapshot_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "cli/session.h"
#include "engine/select.h"
#include "io/machine.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {

void append_choice_options(std::vector<Option>& options, SnapshotChoice& target) {
  options.push_back(text("-H,--host", "HOST", target.host, "only snapshots of this host"));
  options.push_back(texts("--tag", "TAG", target.tags,
                          "only snapshots with this tag (a,b: with both; repeated: with any)"));
  options.push_back(
      texts("--path", "PATH", target.paths, "only snapshots of this path (repeated: of all)"));
}

std::vector<std::string> split_tags(const std::vector<std::string>& lists) {
  std::vector<std::string> tags;
  for (std::string_view list : lists) {
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      if (comma > 0) tags.emplace_back(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
  }
  return tags;
}

std::vector<repo::StoredSnapshot> chosen(std::vector<repo::StoredSnapshot> snapshots,
                                         const SnapshotChoice& choice) {
  const std::string current = io::current_directory().value_or("/");
  engine::SnapshotFilter filter{.host = choice.host, .tags = {}, .paths = {}};
  for (const std::string& path : choice.paths)
    filter.paths.push_back(snapshot::clean_path(path, current));
  const auto left_out = [&](const repo::StoredSnapshot& stored) {
    if (choice.tags.empty()) return !engine::fits(stored.snapshot, filter);
    return std::ranges::none_of(choice.tags, [&](const std::string& list) {
      engine::SnapshotFilter with_tags = filter;
      with_tags.tags = split_tags({list});
      return engine::fits(stored.snapshot, with_tags);
    });
  };
  std::erase_if(snapshots, left_out);
  return snapshots;
}

Result<repo::StoredSnapshot> find_snapshot(const Context& context, repo::Repository& repository,
                                           const SnapshotChoice& choice, std::string_view which) {
  SnapshotList list = TRY(list_snapshots(context, repository));
  // The damaged one might be the one that is meant, and an older state must not pass for it.
  if (list.damaged > 0 && (which.starts_with("latest") || which.starts_with('@'))) {
    return std::unexpected(
        Error(ErrorCode::kCorruption,
              fmt::format("a snapshot is damaged, so what '{}' means cannot be told", which))
            .with_hint("Give the id of a whole snapshot: 'backstay snapshots' lists them."));
  }
  return engine::select_snapshot(chosen(std::move(list.snapshots), choice), {}, which,
                                 context.clock.now());
}

}  // namespace backstay::cli
