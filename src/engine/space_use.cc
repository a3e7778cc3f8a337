#include "engine/space_use.h"

#include <algorithm>
#include <unordered_set>

#include "base/try.h"
#include "engine/left_out.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {
namespace {

using snapshot::EntryType;

class Adder {
 public:
  Adder(repo::Repository& repository, const snapshot::Snapshot& snapshot,
        const SpaceUseOptions& options)
      : repository_(repository), options_(options) {
    for (const std::string& path : snapshot.paths) {
      if (is_below(path, options.path)) roots_.push_back(path);
    }
    if (roots_.empty()) roots_.push_back(options.path);
  }

  Result<void> add(const std::string& path, const snapshot::Entry& entry) {
    FolderUse& folder = folder_of(path, entry.type);
    if (entry.type != EntryType::kFile) return {};
    ++folder.files;
    folder.bytes += entry.size_bytes;
    return snapshot::for_each_extent(
        entry.content, entry.size_bytes, repository_,
        [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
          if (extent.kind != snapshot::ExtentKind::kChunk || !seen_.insert(extent.id).second)
            return {};
          folder.unique_bytes += extent.length;
          folder.stored_bytes += TRY(stored(extent));
          return {};
        });
  }

  std::vector<FolderUse> take() && { return std::move(folders_); }

 private:
  // The first `depth` names below the path of the snapshot that holds it; of a file, of its folder.
  [[nodiscard]] std::string name_of_folder(const std::string& path, EntryType type) const {
    const auto root = std::ranges::find_if(
        roots_, [&](const std::string& one) { return one == path || is_below(path, one); });
    std::string folder = path;
    if (type != EntryType::kDirectory && path.size() > 1)
      folder.resize(std::max<std::size_t>(path.rfind('/'), 1));
    if (root == roots_.end() || !is_below(folder, *root)) return folder;
    std::size_t end = *root == "/" ? 0 : root->size();
    for (std::uint32_t level = 0; level < options_.depth && end < folder.size(); ++level)
      end = std::min(folder.find('/', end + 1), folder.size());
    return folder.substr(0, std::max<std::size_t>(end, 1));
  }

  FolderUse& folder_of(const std::string& path, EntryType type) {
    std::string name = name_of_folder(path, type);
    // The walk comes back to none but the folders above.
    while (!open_.empty()) {
      const std::string& last = folders_[open_.back()].path;
      if (last == name) return folders_[open_.back()];
      if (is_below(name, last)) break;
      open_.pop_back();
    }
    open_.push_back(folders_.size());
    return folders_.emplace_back(FolderUse{.path = std::move(name)});
  }

  Result<std::uint64_t> stored(const snapshot::Extent& extent) {
    const auto place = TRY(repository_.locate(extent.id));
    if (!place || place->frame.raw_length == 0) return 0;
    const double share = static_cast<double>(extent.length) / place->frame.raw_length;
    return static_cast<std::uint64_t>(share * place->frame.sealed_length);
  }

  repo::Repository& repository_;
  const SpaceUseOptions& options_;
  std::vector<std::string> roots_;
  std::unordered_set<chunk::ChunkId> seen_;
  std::vector<FolderUse> folders_;
  std::vector<std::size_t> open_;  // of folders_, each inside the one before it
};

}  // namespace

Result<std::vector<FolderUse>> space_use(repo::Repository& repository,
                                         const snapshot::Snapshot& snapshot,
                                         const SpaceUseOptions& options, Activity& activity) {
  const std::string within = snapshot::key_from_path(options.path);
  Adder adder(repository, snapshot, options);
  snapshot::TreeCursor cursor(repository, snapshot.tree);
  TRY(cursor.seek(within));
  bool found = false;
  while (const auto item = TRY(cursor.next())) {
    if (!snapshot::is_within(item->key, within)) break;
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    found = true;
    ++activity.progress.files_done;
    TRY(adder.add(snapshot::path_from_key(item->key), item->entry));
  }
  if (!found) return fail(ErrorCode::kNotFound, "the snapshot has no " + options.path);
  std::vector<FolderUse> folders = std::move(adder).take();
  std::erase_if(folders, [](const FolderUse& one) { return one.files == 0; });
  return folders;
}

}  // namespace backstay::engine
