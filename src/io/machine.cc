#include "io/machine.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "io/failure.h"

namespace backstay::io {

std::string hostname() {
  std::array<char, 256> name{};
  // One byte less, because a name that is cut short need not be terminated.
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "unknown";
  return name.data();
}

std::string user_name() {
  const uid_t user = ::geteuid();
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
  if (error != 0 || found == nullptr) return std::to_string(user);
  return found->pw_name;
}

std::uint32_t effective_user() {
  return ::geteuid();
}

bool is_superuser() {
  return ::geteuid() == 0;
}

std::uint64_t process_id() {
  return static_cast<std::uint64_t>(::getpid());
}

Result<std::string> current_directory() {
  // glibc measures and allocates, so that no path is too long.
  const std::unique_ptr<char, void (*)(void*)> path(::getcwd(nullptr, 0), std::free);
  if (!path) return fail_io(errno, "asking for the current folder");
  return std::string(path.get());
}

std::uint64_t raise_open_file_limit() {
  constexpr rlim_t kEnough = 65536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur >= kEnough) return limit.rlim_cur;
  rlimit raised = limit;
  raised.rlim_cur = std::min(limit.rlim_max, kEnough);
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return limit.rlim_cur;
  return raised.rlim_cur;
}

Result<void> occupy_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is the one that is missing, because those below are taken.
    if (::open("/dev/null", O_RDWR) != fd) return fail_io(errno, "opening /dev/null");
  }
  return {};
}

}  // namespace backstay::io
