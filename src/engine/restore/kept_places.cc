#include "engine/restore/kept_places.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/file.h"
#include "io/metadata.h"
#include "io/node.h"

namespace backstay::engine::restoring {
namespace {

// The open folder and all above it, up to the root.
std::vector<io::FileStatus> upwards(io::Fd folder) {
  std::vector<io::FileStatus> found;
  Result<io::FileStatus> status = io::full_status_of(folder.get());
  while (status) {
    if (!found.empty() && found.back().same_file(*status)) break;
    found.push_back(*status);
    Result<io::OpenNode> above = io::open_folder_to_walk(folder.get(), "..", io::FolderUse::kPass);
    if (!above) break;
    folder = std::move(above->fd);
    status = above->status;
  }
  return found;
}

// What the names in a path stand for, links on the way included.
std::vector<io::FileStatus> along(const std::string& path) {
  std::vector<io::FileStatus> found;
  const Result<io::OpenNode> root = io::open_root();
  if (!root || !path.starts_with('/')) return found;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(1, std::min(end, path.size()) - 1);
    if (!part.empty()) {
      const Result<io::FileStatus> status = io::full_status_at(root->fd.get(), part.c_str());
      if (status) found.push_back(*status);
    }
    if (end == std::string::npos) return found;
  }
}

}  // namespace

KeptPlaces::KeptPlaces(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    Result<io::Fd> folder = io::open_folder_path(path);
    if (!folder) continue;
    const std::vector<io::FileStatus> chain = upwards(*std::move(folder));
    if (chain.empty()) continue;
    themselves_.emplace_back(chain.front().device, chain.front().inode);
    for (const io::FileStatus& above : chain) on_the_way_.emplace_back(above.device, above.inode);
    for (const io::FileStatus& part : along(path))
      on_the_way_.emplace_back(part.device, part.inode);
  }
}

KeptPlaces::Part KeptPlaces::part_of(std::uint64_t device, std::uint64_t inode) const {
  const Inode asked(device, inode);
  if (std::ranges::find(themselves_, asked) != themselves_.end()) return Part::kItself;
  const bool on_the_way = std::ranges::find(on_the_way_, asked) != on_the_way_.end();
  return on_the_way ? Part::kOnTheWay : Part::kNone;
}

Result<void> KeptPlaces::check_target(const std::string& target) const {
  Result<io::Fd> folder = io::open_folder_path(existing_folder(target));
  if (!folder) return {};  // opening the target tells more
  for (const io::FileStatus& status : upwards(*std::move(folder))) {
    if (part_of(status.device, status.inode) != Part::kItself) continue;
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("the target {} lies in the repository or in the cache", target))
            .with_hint("Choose a folder outside of it."));
  }
  return {};
}

std::string existing_folder(std::string path) {
  while (path.size() > 1) {
    const Result<io::FileInfo> info = io::file_info(path);
    if (info) break;
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    path.resize(std::max<std::size_t>(slash, 1));
  }
  return path;
}

}  // namespace backstay::engine::restoring
