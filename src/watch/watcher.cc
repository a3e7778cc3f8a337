#include "watch/watcher.h"

#include <utility>

namespace backstay::watch {

std::string_view to_string(Method method) {
  switch (method) {
    case Method::kAuto:
      return "auto";
    case Method::kFileSystems:
      return "fanotify";
    case Method::kFolders:
      return "inotify";
  }
  return "auto";
}

Result<std::unique_ptr<Watcher>> open_watcher(WatchOptions options) {
  if (options.method == Method::kFolders) return watch_folders(std::move(options));
  if (options.method == Method::kFileSystems) return watch_file_systems(std::move(options));
  // Not root, a container, or a file system whose files have no handles: that is usual.
  auto whole = watch_file_systems(options);
  return whole ? std::move(whole) : watch_folders(std::move(options));
}

}  // namespace backstay::watch
