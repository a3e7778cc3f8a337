#include "mount/fuse_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/try.h"
#include "io/shared_wait.h"
#include "mount/fuse_operations.h"

namespace backstay::mount {

namespace {

// What libfuse says goes into an error of ours instead of past it; its way to say it has no place
// for more than a function.
class LibrarySays {
 public:
  static LibrarySays& instance() {
    static LibrarySays says;
    return says;
  }
  void add(std::string text) EXCLUDES(mutex_) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const MutexLock lock(mutex_);
    last_ = std::move(text);
  }
  std::string take() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return std::exchange(last_, {});
  }

 private:
  Mutex mutex_;
  std::string last_ GUARDED_BY(mutex_);
};

void hear_library(fuse_log_level level, const char* format, std::va_list values) {
  static_cast<void>(level);
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, values);
  LibrarySays::instance().add(text.data());
}

Error cannot_mount(const FuseServer::Options& options, int error_number) {
  const std::string said = LibrarySays::instance().take();
  Error error(
      ErrorCode::kPermissionDenied,
      said.empty() ? "the system refused it: " + std::string(std::strerror(error_number)) : said);
  if (said.find("/dev/fuse") != std::string::npos || said.find("modprobe") != std::string::npos)
    return std::move(error).with_hint(
        "The kernel's module fuse is needed, and in a container the device /dev/fuse with the "
        "right to mount (for example --device /dev/fuse --cap-add SYS_ADMIN).");
  if (said.find("fusermount3") != std::string::npos && options.access == Access::kOwner)
    return std::move(error).with_hint(
        "Users other than root need the program fusermount3, in Debian's package fuse3, and to own "
        "the folder.");
  if (options.access == Access::kAll)
    return std::move(error).with_hint(
        "--allow-other is for root, or for users where /etc/fuse.conf says user_allow_other.");
  return std::move(error).with_hint("Only root and users with fusermount3 may mount.");
}

std::string mount_options(const FuseServer::Options& options) {
  std::string text =
      fmt::format("ro,nosuid,nodev,fsname=backstay,subtype=backstay,max_read={}", kReadBytesMax);
  // Without others there is nobody whom permissions of another machine should keep out.
  if (options.access == Access::kAll) text += ",allow_other,default_permissions";
  return text;
}

}  // namespace

struct FuseServer::State {
  const FuseLibrary& fuse;
  Options options;
  FuseContext context;
  fuse_session* session = nullptr;
  bool mounted = false;
  io::WaitEnd ended;  // of the threads
  Mutex mutex;
  CondVar changed;
  std::size_t serving GUARDED_BY(mutex) = 0;
  std::vector<std::jthread> threads;

  void serve(io::SharedWait wait);
  bool receive(io::SharedWait& wait, fuse_buf& buffer) const;
};

// False when there will be no more requests.
bool FuseServer::State::receive(io::SharedWait& wait, fuse_buf& buffer) const {
  for (;;) {
    if (fuse.session_exited(session) != 0) return false;
    if (!wait.wait()) return false;
    const int got = fuse.session_receive_buf(session, &buffer);
    if (got > 0) return true;
    if (got != -EINTR && got != -EAGAIN) {
      fuse.session_exit(session);
      return false;
    }
  }
}

void FuseServer::State::serve(io::SharedWait wait) {
  fuse_buf buffer{};
  while (receive(wait, buffer)) fuse.session_process_buf(session, &buffer);
  std::free(buffer.mem);
  const MutexLock lock(mutex);
  --serving;
  changed.notify_all();
}

FuseServer::FuseServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

FuseServer::~FuseServer() {
  static_cast<void>(unmount());
  if (state_->session != nullptr) state_->fuse.session_destroy(state_->session);
}

Result<std::unique_ptr<FuseServer>> FuseServer::mount(FileTree& tree, const Options& options,
                                                      std::stop_token stop, Report report) {
  const FuseLibrary& fuse = *TRY(fuse_library());
  fuse.set_log_func(hear_library);
  std::unique_ptr<State> state(new State{
      .fuse = fuse,
      .options = options,
      .context = {.fuse = fuse, .tree = tree, .stop = std::move(stop), .report = std::move(report)},
      .ended = TRY(io::WaitEnd::make()),
      .mutex = {},
      .changed = {},
      .threads = {}});
  std::string name = "backstay";
  std::string flag = "-o";
  std::string text = mount_options(options);
  std::array<char*, 4> words{name.data(), flag.data(), text.data(), nullptr};
  fuse_args arguments{.argc = 3, .argv = words.data(), .allocated = 0};
  state->session =
      fuse.session_new(&arguments, &fuse_operations(), sizeof(fuse_lowlevel_ops), &state->context);
  if (state->session == nullptr)
    return fail(ErrorCode::kInternal,
                "libfuse cannot be set up: " + LibrarySays::instance().take());
  std::unique_ptr<FuseServer> server(new FuseServer(std::move(state)));
  State& now = *server->state_;
  errno = 0;
  if (fuse.session_mount(now.session, options.target.c_str()) != 0)
    return std::unexpected(cannot_mount(options, errno));
  now.mounted = true;
  // Whoever waits for requests must hear of the end, too.
  if (::fcntl(fuse.session_fd(now.session), F_SETFL, O_NONBLOCK) != 0)
    return fail_errno(errno, "setting up the connection to the kernel");
  std::vector<io::SharedWait> waits;
  for (std::size_t i = 0; i < options.threads; ++i)
    waits.push_back(TRY(io::SharedWait::make(fuse.session_fd(now.session), now.ended)));
  const MutexLock lock(now.mutex);
  for (io::SharedWait& wait : waits) {
    ++now.serving;
    now.threads.emplace_back(
        [&now, mine = std::move(wait)]() mutable { now.serve(std::move(mine)); });
  }
  return server;
}

bool FuseServer::wait_until_unmounted(std::chrono::milliseconds time) {
  const std::stop_callback on_stop(state_->context.stop, [this] {
    const MutexLock lock(state_->mutex);
    state_->changed.notify_all();
  });
  const MutexLock lock(state_->mutex);
  if (state_->serving > 0 && !state_->context.stop.stop_requested())
    state_->changed.wait_for(state_->mutex, time);
  return state_->serving == 0;
}

FuseServer::Ended FuseServer::unmount() {
  if (!std::exchange(state_->mounted, false)) return Ended::kUnmounted;
  State& state = *state_;
  // While it is still served: what the kernel asks on the way is answered. Users other than root
  // may not do this; the library asks fusermount3 for them.
  const bool unmounted = ::umount2(state.options.target.c_str(), UMOUNT_NOFOLLOW) == 0;
  const bool busy = !unmounted && errno == EBUSY;
  state.ended.request();
  for (std::jthread& thread : state.threads) thread.join();
  state.threads.clear();
  // Takes it from its folder also where programs use it; does nothing when it is gone already.
  state.fuse.session_unmount(state.session);
  return busy ? Ended::kDetached : Ended::kUnmounted;
}

}  // namespace backstay::mount
