// Says which files change, as the kernel tells it. Two ways, one interface: fanotify watches whole
// file systems with a single mark and needs root; inotify watches folder by folder and may run out
// of watches.
//
// What the kernel does not tell: changes of mapped pages before the file is closed, changes that
// other machines make on a network mount, and those of a file through another name outside of the
// watched paths. Whoever needs these compares everything from time to time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "watch/change_set.h"

namespace backstay::watch {

enum class Method : std::uint8_t { kAuto, kFileSystems, kFolders };
[[nodiscard]] std::string_view to_string(Method method);  // "auto", "fanotify", "inotify"

struct WatchOptions {
  std::vector<std::string> paths;  // absolute and clean
  std::function<bool(const std::string& path)> leaves_out = {};
  Method method = Method::kAuto;
  // What this process itself does counts, too. Else its own writing would keep it awake.
  bool counts_own = false;
  // Something worth knowing that does not end the watch.
  std::function<void(const std::string& message, const std::string& hint)> note = {};
};

class Watcher {
 public:
  virtual ~Watcher() = default;
  // Returns when something changed, or `until` passed; what has changed by then is in `changes`.
  // A call with a moment that has passed takes what is there and does not wait. cancelled when
  // `stop` was requested.
  virtual Result<void> wait(ChangeSet& changes, const std::stop_token& stop,
                            std::chrono::steady_clock::time_point until) = 0;
  // Looks again for what is to be watched: call it before everything is compared.
  virtual Result<void> renew() = 0;
  [[nodiscard]] virtual Method method() const = 0;
  // False while some of the folders could not be watched: then only comparing everything from time
  // to time finds their changes.
  [[nodiscard]] virtual bool sees_everything() const = 0;
  // Folders with a watch of their own; 0 where none is needed.
  [[nodiscard]] virtual std::size_t folders() const = 0;
};

// What happens after it returned is seen. unsupported or permission_denied where the method that
// was asked for cannot be had; kAuto takes inotify then.
Result<std::unique_ptr<Watcher>> open_watcher(WatchOptions options);

// The two, by themselves.
Result<std::unique_ptr<Watcher>> watch_folders(WatchOptions options);
Result<std::unique_ptr<Watcher>> watch_file_systems(WatchOptions options);

}  // namespace backstay::watch
