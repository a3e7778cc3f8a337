// inotify: one watch a folder.
//
// What makes it miss nothing: a watch is set before its folder is listed, so that a name is either
// in the list or in an event. Whatever appears as a folder (made, or moved in) is watched with all
// that is in it and said to have changed as a whole, because it may have been filled before it was
// watched. A folder that moves away loses its watches, and gets them again where it appears, if
// that counts. An event of a watch that is no longer known is of a folder that was since found
// again elsewhere, or is gone: in both cases what is above it has said so.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <unordered_map>

#include "base/try.h"
#include "io/directory_reader.h"
#include "io/failure.h"
#include "io/file.h"
#include "io/metadata.h"
#include "io/readiness.h"
#include "io/stream.h"
#include "watch/watched_paths.h"
#include "watch/watcher.h"

namespace backstay::watch {
namespace {

constexpr std::uint32_t kFolderEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                        IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_EXCL_UNLINK |
                                        IN_ONLYDIR;
constexpr std::size_t kEventBytes = std::size_t{64} << 10;
// A stream of events that never ends must not keep the caller from what it has.
constexpr int kReadsAtOnce = 256;
constexpr const char* kOverflow = "events came faster than they could be read";

class FolderWatcher final : public Watcher {
 public:
  FolderWatcher(WatchOptions options, io::Fd events)
      : options_(std::move(options)),
        paths_(options_.paths, options_.leaves_out),
        events_(std::move(events)) {}

  Result<void> wait(ChangeSet& changes, const std::stop_token& stop,
                    std::chrono::steady_clock::time_point until) override {
    const auto ready = TRY(io::wait_readable_of(events_.get(), -1, stop, until));
    if (ready == io::ReadyDescriptor::kNone) return {};
    for (int reads = 0; reads < kReadsAtOnce; ++reads) {
      const std::size_t got =
          TRY_DOING("reading what changed", io::read_available(events_.get(), buffer_));
      if (got == 0) return {};
      take_events(ByteView(buffer_).first(got), changes);
    }
    return {};
  }

  Result<void> renew() override {
    unwatched_ = 0;
    for (const std::string& path : paths_.given()) {
      // The folder above says when the path itself is replaced.
      watch_one(folder_of(path), 0);
      watch_tree(path);
    }
    return {};
  }
  [[nodiscard]] Method method() const override { return Method::kFolders; }
  [[nodiscard]] bool sees_everything() const override { return unwatched_ == 0; }
  [[nodiscard]] std::size_t folders() const override { return path_of_.size(); }

 private:
  void take_events(ByteView events, ChangeSet& changes) {
    while (events.size() >= sizeof(inotify_event)) {
      inotify_event event{};
      std::memcpy(&event, events.data(), sizeof event);
      const std::size_t length = sizeof event + event.len;
      if (length > events.size()) break;
      // Names are padded with zero bytes.
      const std::string_view padded = as_text(events.subspan(sizeof event, event.len));
      take_event(event, std::string(padded.substr(0, padded.find('\0'))), changes);
      events = events.subspan(length);
    }
  }

  void take_event(const inotify_event& event, const std::string& name, ChangeSet& changes) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return changes.lose_track(kOverflow);
    const auto known = path_of_.find(event.wd);
    if (known == path_of_.end()) return;
    const std::string folder = known->second;
    if ((event.mask & IN_IGNORED) != 0) return forget_watch(event.wd);
    if (name.empty()) {
      if (paths_.counts(folder)) changes.add_entry(folder);
      return;
    }
    const std::string path = path_in(folder, name);
    if (!paths_.counts(path)) return;
    const bool is_folder = (event.mask & IN_ISDIR) != 0;
    const bool appears = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
    const bool goes = (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0;
    if (paths_.counts(folder) && (appears || goes)) changes.add_entry(folder);
    if (goes && is_folder) forget_tree(path);
    if (appears && is_folder) watch_tree(path);
    // What has a name again may be a folder or none.
    if (is_folder && (appears || goes)) {
      changes.add_tree(path);
    } else {
      changes.add_entry(path);
    }
  }

  // ---- watches
  void watch_tree(const std::string& top) {
    std::vector<std::string> to_watch{top};
    while (!to_watch.empty()) {
      const std::string path = std::move(to_watch.back());
      to_watch.pop_back();
      if (!paths_.counts(path)) continue;
      const io::Fd folder = watch_one(path, O_NOFOLLOW);
      if (!folder) continue;
      append_folders_in(folder.get(), path, to_watch);
    }
  }

  // The folder, open and watched; nothing where there is none that can be listed.
  io::Fd watch_one(const std::string& path, int links) {
    io::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | links));
    if (!folder) {
      // Gone, no folder, or not to be read: the backup says what matters of it.
      if (errno == EMFILE || errno == ENFILE || errno == ENAMETOOLONG) ++unwatched_;
      return {};
    }
    // By the open folder, and not by a path that may mean another one by now.
    const std::string open_path = fmt::format("/proc/self/fd/{}", folder.get());
    const int watch = ::inotify_add_watch(events_.get(), open_path.c_str(), kFolderEvents);
    if (watch < 0) {
      tell_unwatched(path, errno);
      return folder;
    }
    remember(watch, path);
    return folder;
  }

  void append_folders_in(int folder, const std::string& path, std::vector<std::string>& out) {
    if (!reader_.start(folder)) return;
    while (true) {
      const auto name = reader_.next();
      if (!name || !*name) return;
      const std::string text(**name);
      const auto status = io::full_status_at(folder, text.c_str());
      if (status && status->kind == io::FileKind::kDirectory) out.push_back(path_in(path, text));
    }
  }

  void tell_unwatched(const std::string& path, int error) {
    const bool first = unwatched_++ == 0;
    if (!first || !options_.note) return;
    if (error == ENOSPC) {
      options_.note(
          fmt::format("{} and other folders are not watched: the system allows no more than {} "
                      "watches",
                      path, path_of_.size()),
          "Raise it: 'sysctl fs.inotify.max_user_watches=1048576', and write that into "
          "/etc/sysctl.d to keep it. Until then everything is compared again and again.");
      return;
    }
    options_.note(fmt::format("{} is not watched: {}", path, std::strerror(error)),
                  "Until it is, everything is compared again and again.");
  }

  // A folder has one watch whatever it is called: the newest name counts.
  void remember(int watch, const std::string& path) {
    if (const auto old = path_of_.find(watch); old != path_of_.end()) {
      const auto named = watch_of_.find(old->second);
      if (named != watch_of_.end() && named->second == watch) watch_of_.erase(named);
    }
    const auto [place, is_new] = watch_of_.try_emplace(path, watch);
    if (!is_new && place->second != watch) {
      path_of_.erase(place->second);
      ::inotify_rm_watch(events_.get(), place->second);
      place->second = watch;
    }
    path_of_[watch] = path;
  }

  void forget_watch(int watch) {
    const auto known = path_of_.find(watch);
    if (known == path_of_.end()) return;
    const auto named = watch_of_.find(known->second);
    if (named != watch_of_.end() && named->second == watch) watch_of_.erase(named);
    path_of_.erase(known);
  }

  void forget_tree(const std::string& top) {
    // The folder itself, and then all that begins with "top/", which is one run of the map.
    if (const auto self = watch_of_.find(top); self != watch_of_.end()) drop(self);
    const std::string below = top + "/";
    for (auto it = watch_of_.lower_bound(below);
         it != watch_of_.end() && it->first.starts_with(below);) {
      it = drop(it);
    }
  }

  std::map<std::string, int>::iterator drop(std::map<std::string, int>::iterator at) {
    path_of_.erase(at->second);
    ::inotify_rm_watch(events_.get(), at->second);
    return watch_of_.erase(at);
  }

  const WatchOptions options_;
  const WatchedPaths paths_;
  const io::Fd events_;
  Bytes buffer_ = Bytes(kEventBytes);
  io::DirectoryReader reader_;
  std::unordered_map<int, std::string> path_of_;
  std::map<std::string, int> watch_of_;
  std::size_t unwatched_ = 0;
};

}  // namespace

Result<std::unique_ptr<Watcher>> watch_folders(WatchOptions options) {
  io::Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!events) return io::fail_io(errno, "watching for changes");
  auto watcher = std::make_unique<FolderWatcher>(std::move(options), std::move(events));
  TRY(watcher->renew());
  return watcher;
}

}  // namespace backstay::watch
