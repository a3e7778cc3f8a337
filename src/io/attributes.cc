#include "io/attributes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/try.h"
#include "io/system_call.h"

namespace backstay::io {
namespace {

constexpr std::uint32_t kNanosPerSecond = 1'000'000'000;
constexpr std::size_t kXattrListMax = 64 * 1024;   // XATTR_LIST_MAX of the kernel
constexpr std::size_t kXattrValueMax = 64 * 1024;  // XATTR_SIZE_MAX
constexpr int kTries = 8;  // an attribute may grow between asking for its size and reading it

// The kernel resolves this name to the inode of an O_PATH descriptor itself, even when that is a
// symbolic link.
std::string by_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

bool is_open(NodeRef node) {
  return node.access == NodeAccess::kOpen;
}

// Linux 6.6 can do it without /proc, which a rescue system may not have mounted.
int change_mode_without_proc(int fd, mode_t mode) {
#if defined(SYS_fchmodat2)
  return static_cast<int>(::syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH));
#else
  constexpr long kFchmodat2 = 452;  // the same on every architecture but Alpha
  return static_cast<int>(::syscall(kFchmodat2, fd, "", mode, AT_EMPTY_PATH));
#endif
}

Result<std::optional<std::size_t>> value_size(ssize_t got, const std::string& name) {
  if (got >= 0) return static_cast<std::size_t>(got);
  if (errno == ENODATA || errno == EOPNOTSUPP) return std::nullopt;
  return fail_call(errno, "reading the extended attribute " + quoted(name));
}

}  // namespace

Result<void> set_owner(NodeRef node, std::optional<std::uint32_t> uid,
                       std::optional<std::uint32_t> gid) {
  constexpr std::uint32_t kUnchanged = UINT32_MAX;  // what the kernel takes for "as it is"
  if (uid == kUnchanged || gid == kUnchanged) {
    return fail(ErrorCode::kInvalidArgument, "4294967295 is not the number of an owner");
  }
  if (::fchownat(node.fd, "", uid.value_or(kUnchanged), gid.value_or(kUnchanged), AT_EMPTY_PATH) !=
      0) {
    return fail_call(errno, "setting the owner");
  }
  return {};
}

Result<void> set_mode(NodeRef node, std::uint32_t mode) {
  if (mode > 07777U) return fail(ErrorCode::kInvalidArgument, "not the mode of a file");
  int result = 0;
  if (is_open(node)) {
    result = ::fchmod(node.fd, mode);
  } else {
    result = ::chmod(by_path(node.fd).c_str(), mode);
    if (result != 0 && errno == ENOENT) result = change_mode_without_proc(node.fd, mode);
  }
  if (result != 0) return fail_call(errno, "setting the mode");
  return {};
}

Result<void> set_times(NodeRef node, std::optional<Timestamp> accessed, Timestamp modified) {
  // Larger numbers mean "now" and "as it is" to the kernel.
  if (modified.nanos >= kNanosPerSecond || (accessed && accessed->nanos >= kNanosPerSecond)) {
    return fail(ErrorCode::kInvalidArgument, "a time has a billion nanoseconds or more");
  }
  std::array<timespec, 2> times{};
  times[0].tv_nsec = UTIME_OMIT;
  if (accessed) times[0] = {accessed->seconds, static_cast<long>(accessed->nanos)};
  times[1] = {modified.seconds, static_cast<long>(modified.nanos)};
  int result = 0;
  if (is_open(node)) {
    result = ::futimens(node.fd, times.data());
  } else {
    result = ::utimensat(node.fd, "", times.data(), AT_EMPTY_PATH);
    // Before Linux 5.8.
    if (result != 0 && errno == EINVAL) {
      result = ::utimensat(AT_FDCWD, by_path(node.fd).c_str(), times.data(), 0);
    }
  }
  if (result != 0) return fail_call(errno, "setting the times");
  return {};
}

std::optional<std::string_view> acl_shown_twice(std::string_view name) {
  if (name == "trusted.SGI_ACL_FILE") return "system.posix_acl_access";
  if (name == "trusted.SGI_ACL_DEFAULT") return "system.posix_acl_default";
  return std::nullopt;
}

Result<std::vector<std::string>> xattr_names(NodeRef node) {
  const auto list = [&](char* out, std::size_t size) {
    return is_open(node) ? ::flistxattr(node.fd, out, size)
                         : ::listxattr(by_path(node.fd).c_str(), out, size);
  };
  std::vector<std::string> names;
  std::array<char, 1024> small;
  std::vector<char> large;
  char* raw = small.data();
  ssize_t got = list(raw, small.size());
  if (got < 0 && errno == ERANGE) {
    large.resize(kXattrListMax);
    raw = large.data();
    got = list(raw, large.size());
  }
  if (got < 0) {
    if (errno == EOPNOTSUPP) return names;
    return fail_call(errno, "listing the extended attributes");
  }
  const std::string_view listed(raw, static_cast<std::size_t>(got));
  for (std::size_t at = 0; at < listed.size();) {
    const std::string_view name = listed.substr(at, listed.find('\0', at) - at);
    at += name.size() + 1;
    const std::optional<std::string_view> acl = acl_shown_twice(name);
    if (!acl || listed.find(*acl) == listed.npos) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<Bytes>> xattr_value(NodeRef node, const std::string& name) {
  const auto get = [&](void* out, std::size_t size) {
    return is_open(node) ? ::fgetxattr(node.fd, name.c_str(), out, size)
                         : ::getxattr(by_path(node.fd).c_str(), name.c_str(), out, size);
  };
  Bytes value(256);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const ssize_t got = get(value.data(), value.size());
    if (got < 0 && errno == ERANGE && value.size() < kXattrValueMax) {
      value.resize(kXattrValueMax);
      continue;
    }
    const std::optional<std::size_t> size = TRY(value_size(got, name));
    if (!size) return std::nullopt;
    value.resize(*size);
    return value;
  }
  return fail(ErrorCode::kUnsupported, "the extended attribute " + quoted(name) + " is too large");
}

bool has_user_xattrs(int fd) {
  return ::fgetxattr(fd, "user.backstay.probe", nullptr, 0) >= 0 || errno == ENODATA;
}

Result<void> set_xattr(NodeRef node, const std::string& name, ByteView value) {
  if (name.empty() || name.find('\0') != name.npos) {
    return fail(ErrorCode::kInvalidArgument, quoted(name) + " is not the name of an attribute");
  }
  const int result =
      is_open(node)
          ? ::fsetxattr(node.fd, name.c_str(), value.data(), value.size(), 0)
          : ::setxattr(by_path(node.fd).c_str(), name.c_str(), value.data(), value.size(), 0);
  if (result != 0) return fail_call(errno, "setting the extended attribute " + quoted(name));
  return {};
}

Result<void> remove_xattr(NodeRef node, const std::string& name) {
  const int result = is_open(node) ? ::fremovexattr(node.fd, name.c_str())
                                   : ::removexattr(by_path(node.fd).c_str(), name.c_str());
  if (result != 0 && errno != ENODATA) {
    return fail_call(errno, "removing the extended attribute " + quoted(name));
  }
  return {};
}

// The kernel reads and writes an int, whatever <linux/fs.h> says about a long.
Result<std::uint32_t> inode_flags(int fd) {
  unsigned int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) {
    if (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return 0U;
    return fail_call(errno, "reading the inode flags");
  }
  return flags;
}

Result<void> set_inode_flags(int fd, std::uint32_t flags) {
  const unsigned int value = flags;
  if (::ioctl(fd, FS_IOC_SETFLAGS, &value) != 0) return fail_call(errno, "setting inode flags");
  return {};
}

Result<std::uint32_t> project_id(int fd) {
  fsxattr state{};
  if (::ioctl(fd, FS_IOC_FSGETXATTR, &state) != 0) {
    if (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return 0U;
    return fail_call(errno, "reading the project id");
  }
  return state.fsx_projid;
}

Result<void> set_project_id(int fd, std::uint32_t id) {
  fsxattr state{};
  if (::ioctl(fd, FS_IOC_FSGETXATTR, &state) != 0)
    return fail_call(errno, "reading the project id");
  state.fsx_projid = id;
  if (::ioctl(fd, FS_IOC_FSSETXATTR, &state) != 0)
    return fail_call(errno, "setting the project id");
  return {};
}

Result<void> set_size(int fd, std::uint64_t size_bytes) {
  if (!std::in_range<off_t>(size_bytes)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("a file of {} bytes", size_bytes));
  }
  if (::ftruncate(fd, static_cast<off_t>(size_bytes)) != 0) {
    return fail_call(errno, "setting the size of a file");
  }
  return {};
}

Result<void> punch_hole(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  if (!std::in_range<off_t>(offset) || !std::in_range<off_t>(length)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("a hole of {} bytes", length));
  }
  constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(fd, kPunch, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) {
    return {};
  }
  if (errno != EOPNOTSUPP && errno != ENOSYS) return fail_call(errno, "punching a hole");
  // The bytes matter more than the space.
  static constexpr std::array<std::uint8_t, 64 * 1024> kZeros{};
  const std::uint64_t size_bytes = TRY(full_status_of(fd)).size;
  const std::uint64_t end = std::min(size_bytes, offset + length);
  for (std::uint64_t at = offset; at < end;) {
    const std::uint64_t step = std::min<std::uint64_t>(kZeros.size(), end - at);
    TRY(pwrite_full(fd, ByteView(kZeros).first(step), at));
    at += step;
  }
  return {};
}

}  // namespace backstay::io
