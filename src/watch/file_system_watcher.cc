// fanotify: one mark a file system (Linux 5.9, FAN_REPORT_DFID_NAME), and nothing to set up for a
// folder. An event names the folder by a handle, and what it is about by its name in there; the
// handle is opened and the kernel asked what the folder is called. That is its name now: where the
// folder has moved since, its move is an event, too, so that both places are said to have changed.
//
// A folder that is gone cannot be opened any more; that it went is an event of the one above.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/fanotify.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "base/try.h"
#include "io/failure.h"
#include "io/file.h"
#include "io/machine.h"
#include "io/metadata.h"
#include "io/readiness.h"
#include "io/stream.h"
#include "watch/mounts.h"
#include "watch/watched_paths.h"
#include "watch/watcher.h"

namespace backstay::watch {
namespace {

constexpr std::uint64_t kNameEvents = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO;
constexpr std::uint64_t kWatchedEvents =
    kNameEvents | FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_ONDIR;
constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr int kReadsAtOnceMax = 256;
constexpr std::uint64_t kMountsBytesMax = std::uint64_t{16} << 20;
constexpr std::size_t kHandleBytesMax = MAX_HANDLE_SZ;

using FileSystemId = std::uint64_t;

FileSystemId id_from(const void* bytes) {
  FileSystemId id = 0;
  std::memcpy(&id, bytes, sizeof id);
  return id;
}

// A file system with a mark, and how its folders are opened.
struct Marked {
  FileSystemId id = 0;
  io::Fd root;
};

// A given path as the kernel calls it, which differs where links lead to it.
struct GivenRoot {
  std::string real;
  std::string given;
};

class FileSystemWatcher final : public Watcher {
 public:
  FileSystemWatcher(WatchOptions options, io::Fd events)
      : options_(std::move(options)),
        paths_(options_.paths, options_.leaves_out),
        events_(std::move(events)),
        own_process_(static_cast<std::int64_t>(io::process_id())) {}

  Result<void> renew() override {
    roots_.clear();
    marked_.clear();
    unmarked_ = 0;
    for (const std::string& path : paths_.given()) TRY(mark(path));
    const Bytes mounts = TRY(io::read_file_or_stream("/proc/self/mountinfo", kMountsBytesMax, {}));
    for (const std::string& path : mounted_folders(as_text(mounts))) {
      if (!paths_.counts(path)) continue;
      if (const auto marked = mark(path); !marked) tell_unmarked(marked.error());
    }
    return {};
  }

  Result<void> wait(ChangeSet& changes, const std::stop_token& stop,
                    std::chrono::steady_clock::time_point until) override {
    const auto ready = TRY(io::wait_readable_of(events_.get(), -1, stop, until));
    if (ready == io::ReadyDescriptor::kNone) return {};
    for (int reads = 0; reads < kReadsAtOnceMax; ++reads) {
      const std::size_t got =
          TRY_DOING("reading what changed", io::read_available(events_.get(), buffer_));
      if (got == 0) return {};
      folder_of_handle_.clear();
      take_events(ByteView(buffer_).first(got), changes);
    }
    return {};
  }
  [[nodiscard]] Method method() const override { return Method::kFileSystems; }
  [[nodiscard]] bool sees_everything() const override { return unmarked_ == 0; }
  [[nodiscard]] std::size_t folders() const override { return 0; }

 private:
  // ---- marks
  // What is mounted below a given path may be of a kind that cannot be watched.
  void tell_unmarked(const Error& error) {
    if (unmarked_++ > 0 || told_ || !options_.note) return;
    told_ = true;
    options_.note(error.describe() + ": what changes there is not seen",
                  "Until it is, everything is compared again and again; --method inotify may see "
                  "it.");
  }

  Result<void> mark(const std::string& path) {
    const std::string folder = TRY(nearest_folder(path));
    io::Fd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return io::fail_io(errno, "opening " + folder);
    struct statfs about {};
    if (::fstatfs(root.get(), &about) != 0) return io::fail_io(errno, "looking at " + folder);
    const std::string real = TRY(io::real_path(folder));
    roots_.push_back({.real = path_below(real, folder, path), .given = path});
    const FileSystemId id = id_from(&about.f_fsid);
    const bool known = std::ranges::find(marked_, id, &Marked::id) != marked_.end();
    if (!known) {
      TRY(can_open_by_handle(root.get(), folder));
      if (::fanotify_mark(events_.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kWatchedEvents,
                          root.get(), nullptr) != 0)
        return io::fail_io(errno, "watching the file system of " + folder);
    }
    // The same file system may be mounted at several places, each of which shows a part of it.
    marked_.push_back({.id = id, .root = std::move(root)});
    return {};
  }

  // The path itself, or the folder that holds it while it is a file or is not there.
  static Result<std::string> nearest_folder(std::string path) {
    while (true) {
      const auto info = io::file_info(path, io::Links::kStay);
      if (info && info->is_directory) return path;
      if (path == "/") return io::fail_io(ENOTDIR, "looking at " + path);
      path = folder_of(path);
      const auto above = io::file_info(path);
      if (above && above->is_directory) return path;
    }
  }

  static std::string path_below(const std::string& real, const std::string& folder,
                                const std::string& path) {
    if (path == folder) return real;
    return path_in(real, path.substr(folder == "/" ? 1 : folder.size() + 1));
  }

  // Some file systems name their files by handles and cannot find them again.
  static Result<void> can_open_by_handle(int root, const std::string& folder) {
    alignas(file_handle) std::array<std::uint8_t, sizeof(file_handle) + kHandleBytesMax> space{};
    auto* const handle = reinterpret_cast<file_handle*>(space.data());
    handle->handle_bytes = kHandleBytesMax;
    int mount = 0;
    if (::name_to_handle_at(root, "", handle, &mount, AT_EMPTY_PATH) != 0)
      return io::fail_io(errno, "watching the file system of " + folder);
    const io::Fd again(::open_by_handle_at(root, handle, O_PATH | O_CLOEXEC));
    if (!again) return io::fail_io(errno, "watching the file system of " + folder);
    return {};
  }

  // ---- events
  void take_events(ByteView events, ChangeSet& changes) {
    while (events.size() >= sizeof(fanotify_event_metadata)) {
      fanotify_event_metadata event{};
      std::memcpy(&event, events.data(), sizeof event);
      if (event.event_len < event.metadata_len || event.event_len > events.size()) return;
      const io::Fd unused(event.fd >= 0 ? event.fd : -1);
      take_event(event, events.subspan(event.metadata_len, event.event_len - event.metadata_len),
                 changes);
      events = events.subspan(event.event_len);
    }
  }

  void take_event(const fanotify_event_metadata& event, ByteView infos, ChangeSet& changes) {
    if ((event.mask & FAN_Q_OVERFLOW) != 0)
      return changes.lose_track("events came faster than they could be read");
    if (!options_.counts_own && event.pid == own_process_) return;
    while (infos.size() >= sizeof(fanotify_event_info_header)) {
      fanotify_event_info_header header{};
      std::memcpy(&header, infos.data(), sizeof header);
      if (header.len < sizeof header || header.len > infos.size()) return;
      if (header.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME ||
          header.info_type == FAN_EVENT_INFO_TYPE_DFID)
        take_name(event.mask, infos.first(header.len), changes);
      infos = infos.subspan(header.len);
    }
  }

  void take_name(std::uint64_t mask, ByteView info, ChangeSet& changes) {
    constexpr std::size_t kHandleAt = sizeof(fanotify_event_info_header) + sizeof(FileSystemId);
    if (info.size() < kHandleAt + sizeof(file_handle)) return;
    const FileSystemId id = id_from(info.data() + sizeof(fanotify_event_info_header));
    file_handle head{};
    std::memcpy(&head, info.data() + kHandleAt, sizeof head);
    const std::size_t handle_bytes = sizeof head + head.handle_bytes;
    if (head.handle_bytes > kHandleBytesMax || info.size() < kHandleAt + handle_bytes) return;
    const std::string_view rest = as_text(info.subspan(kHandleAt + handle_bytes));
    const std::string name(rest.substr(0, rest.find('\0')));
    for (const std::string& folder : folders_of(id, info.subspan(kHandleAt, handle_bytes))) {
      add(mask, folder, name, changes);
    }
    // What was called so a moment ago may be called otherwise now.
    if ((mask & FAN_ONDIR) != 0 && (mask & kNameEvents) != 0) folder_of_handle_.clear();
  }

  void add(std::uint64_t mask, const std::string& folder, const std::string& name,
           ChangeSet& changes) {
    const bool itself = name.empty() || name == ".";
    const std::string path = itself ? folder : path_in(folder, name);
    if (!paths_.counts(path)) return;
    const bool named = (mask & kNameEvents) != 0 && !itself;
    if (named && paths_.counts(folder)) changes.add_entry(folder);
    if (named && (mask & FAN_ONDIR) != 0) {
      changes.add_tree(path);
    } else {
      changes.add_entry(path);
    }
  }

  // What the folder is called now, below the given paths; empty when it is elsewhere or gone.
  const std::vector<std::string>& folders_of(FileSystemId id, ByteView handle) {
    std::string key(reinterpret_cast<const char*>(&id), sizeof id);
    key += as_text(handle);
    const auto [place, is_new] = folder_of_handle_.try_emplace(std::move(key));
    if (!is_new) return place->second;
    alignas(file_handle) std::array<std::uint8_t, sizeof(file_handle) + kHandleBytesMax> space{};
    std::memcpy(space.data(), handle.data(), handle.size());
    for (const Marked& marked : marked_) {
      if (marked.id != id) continue;
      const io::Fd folder(::open_by_handle_at(
          marked.root.get(), reinterpret_cast<file_handle*>(space.data()), O_PATH | O_CLOEXEC));
      if (!folder) continue;
      const std::string link = fmt::format("/proc/self/fd/{}", folder.get());
      const auto real = io::read_link_at(AT_FDCWD, link.c_str());
      if (real) append_given(*real, place->second);
    }
    return place->second;
  }

  // The same folder by the names that the given paths give it. The folder above a given path
  // counts, too: events of the path itself are events in there.
  void append_given(const std::string& real, std::vector<std::string>& out) const {
    for (const GivenRoot& root : roots_) {
      std::string path;
      if (is_within(real, root.real)) {
        path = real.size() == root.real.size()
                   ? root.given
                   : path_in(root.given, real.substr(root.real == "/" ? 1 : root.real.size() + 1));
      } else if (real == folder_of(root.real)) {
        path = folder_of(root.given);
      } else {
        continue;
      }
      if (std::ranges::find(out, path) == out.end()) out.push_back(std::move(path));
    }
  }

  const WatchOptions options_;
  const WatchedPaths paths_;
  const io::Fd events_;
  const std::int64_t own_process_;
  Bytes buffer_ = Bytes(kReadBytes);
  std::vector<Marked> marked_;
  std::vector<GivenRoot> roots_;
  std::size_t unmarked_ = 0;
  bool told_ = false;
  // Of one read: folders move.
  std::unordered_map<std::string, std::vector<std::string>> folder_of_handle_;
};

}  // namespace

Result<std::unique_ptr<Watcher>> watch_file_systems(WatchOptions options) {
  io::Fd events(::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME,
                                O_RDONLY | O_LARGEFILE | O_CLOEXEC));
  if (!events) return io::fail_io(errno, "watching file systems");
  auto watcher = std::make_unique<FileSystemWatcher>(std::move(options), std::move(events));
  TRY(watcher->renew());
  return watcher;
}

}  // namespace backstay::watch
