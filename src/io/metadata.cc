#include "io/metadata.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/try.h"
#include "io/attributes.h"
#include "io/system_call.h"

namespace backstay::io {
namespace {

// Descriptors that never hang on a FIFO, never become a terminal's owner and never reach a child
// process.
constexpr int kCautious = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr std::size_t kLinkTargetMax = std::size_t{64} * 1024;

Timestamp time_of(const statx_timestamp& time) {
  // User-space file systems can hand out any number.
  return {time.tv_sec, std::min<std::uint32_t>(time.tv_nsec, 999'999'999)};
}

std::uint64_t device_number(std::uint32_t major, std::uint32_t minor) {
  return std::uint64_t{major} << 32 | minor;
}

FileKind kind_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileKind::kRegular;
    case S_IFDIR:
      return FileKind::kDirectory;
    case S_IFLNK:
      return FileKind::kSymlink;
    case S_IFIFO:
      return FileKind::kFifo;
    case S_IFSOCK:
      return FileKind::kSocket;
    case S_IFCHR:
      return FileKind::kCharDevice;
    case S_IFBLK:
      return FileKind::kBlockDevice;
    default:
      return FileKind::kUnknown;
  }
}

FileStatus status_from(const struct statx& raw) {
  FileStatus status;
  status.kind = kind_of(raw.stx_mode);
  status.mode = raw.stx_mode & 07777U;
  status.uid = raw.stx_uid;
  status.gid = raw.stx_gid;
  status.links = raw.stx_nlink;
  status.size = raw.stx_size;
  status.inode = raw.stx_ino;
  status.device = device_number(raw.stx_dev_major, raw.stx_dev_minor);
  status.special_device = device_number(raw.stx_rdev_major, raw.stx_rdev_minor);
  status.modified = time_of(raw.stx_mtime);
  status.changed = time_of(raw.stx_ctime);
  status.accessed = time_of(raw.stx_atime);
  if ((raw.stx_mask & STATX_BTIME) != 0) status.born = time_of(raw.stx_btime);
  return status;
}

// Asks as stat does (AT_STATX_SYNC_AS_STAT): a stale answer of a network file system would hide a
// change.
Result<FileStatus> read_status(int folder, const char* name, int flags) {
  struct statx raw {};
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME;
  if (::statx(folder, name, flags | AT_NO_AUTOMOUNT, kWanted, &raw) != 0) {
    return fail_call(errno, "reading the attributes");
  }
  return status_from(raw);
}

// O_NOATIME is refused to anybody but the owner and root.
int open_without_access_time(int folder, const char* name, int flags) {
  const int fd = ::openat(folder, name, flags | O_NOATIME);
  if (fd >= 0 || errno != EPERM) return fd;
  return ::openat(folder, name, flags);
}

std::string_view noun(FileKind kind) {
  return kind == FileKind::kDirectory ? "folder" : "regular file";
}

Result<OpenNode> opened(int raw, FileKind wanted) {
  const int error = errno;
  const auto is_other = [&] {
    return fail(
        ErrorCode::kConflict,
        fmt::format("it is no longer a {}: it was replaced while the backup ran", noun(wanted)));
  };
  if (raw < 0) {
    // A symbolic link, a socket, or a device without a driver. A single name is looked up, so
    // ENOTDIR is about it.
    const bool other_kind = error == ELOOP || error == ENOTDIR || error == ENXIO || error == ENODEV;
    if (other_kind) return is_other();
    return fail_call(error, fmt::format("opening the {}", noun(wanted)));
  }
  OpenNode node{.fd = Fd(raw), .status = {}};
  node.status = TRY(full_status_of(node.fd.get()));
  if (node.status.kind != wanted) return is_other();
  return node;
}

}  // namespace

Result<FileStatus> full_status_at(int folder, const char* name, LastLink link) {
  return read_status(folder, name, link == LastLink::kKeep ? AT_SYMLINK_NOFOLLOW : 0);
}

Result<FileStatus> full_status_of(int fd) {
  return read_status(fd, "", AT_EMPTY_PATH);
}

Result<FileStatus> full_status_of_path(const std::string& path) {
  return read_status(AT_FDCWD, path.c_str(), 0);
}

Result<OpenNode> open_folder_to_walk(int folder, const char* name, FolderUse use, LastLink link) {
  int flags = kCautious | O_DIRECTORY;
  if (link == LastLink::kKeep) flags |= O_NOFOLLOW;
  const int fd = use == FolderUse::kPass
                     ? ::openat(folder, name, O_PATH | O_CLOEXEC | (flags & ~kCautious))
                     : open_without_access_time(folder, name, O_RDONLY | flags);
  OpenNode node = TRY(opened(fd, FileKind::kDirectory));
  node.use = use;
  return node;
}

Result<OpenNode> open_file_to_read(int folder, const char* name) {
  return opened(open_without_access_time(folder, name, O_RDONLY | O_NOFOLLOW | kCautious),
                FileKind::kRegular);
}

Result<OpenNode> open_root() {
  return open_folder_to_walk(AT_FDCWD, "/", FolderUse::kPass);
}

Result<std::string> read_link_at(int folder, const char* name) {
  std::string target(256, '\0');
  while (true) {
    const ssize_t got = ::readlinkat(folder, name, target.data(), target.size());
    if (got < 0) return fail_call(errno, "reading the symbolic link");
    if (static_cast<std::size_t>(got) < target.size()) {
      target.resize(static_cast<std::size_t>(got));
      return target;
    }
    if (target.size() >= kLinkTargetMax) {
      return fail(ErrorCode::kUnsupported, "the symbolic link's target is longer than 64 KiB");
    }
    target.resize(target.size() * 4);
  }
}

Result<InodeAttributes> inode_attributes_of(int fd) {
  const auto unless_hidden = [](Result<std::uint32_t> value) -> Result<std::uint32_t> {
    const bool hidden = !value && value.error().code() == ErrorCode::kPermissionDenied;
    return hidden ? Result<std::uint32_t>(0U) : std::move(value);
  };
  InodeAttributes attributes;
  attributes.flags = TRY(unless_hidden(inode_flags(fd))) & kSettableInodeFlags;
  attributes.project_id = TRY(unless_hidden(project_id(fd)));
  return attributes;
}

// Holes are looked for first: for a file without any, one call says so.
Result<std::optional<FileExtent>> extent_at(int fd, std::uint64_t offset, std::uint64_t size) {
  if (offset >= size) return std::nullopt;
  if (!std::in_range<off_t>(size)) return fail(ErrorCode::kUnsupported, "the file is too large");
  const auto up_to = [&](off_t end, bool hole) {
    const std::uint64_t stop = std::min(static_cast<std::uint64_t>(end), size);
    return FileExtent{offset, stop - offset, hole};
  };
  const auto from = static_cast<off_t>(offset);
  const off_t hole = ::lseek(fd, from, SEEK_HOLE);
  if (hole > from) return up_to(hole, false);
  if (hole < 0 && errno == ENXIO) return std::nullopt;  // the file ends here by now
  if (hole < 0) {
    if (errno != EINVAL && errno != EOPNOTSUPP) return fail_call(errno, "looking for holes");
    return up_to(static_cast<off_t>(size), false);
  }
  const off_t data = ::lseek(fd, from, SEEK_DATA);
  if (data > from) return up_to(data, true);
  if (data == from) return up_to(static_cast<off_t>(size), false);  // filled this moment
  if (errno != ENXIO) return fail_call(errno, "looking for data");
  // A hole up to the end, which may be nearer than it was.
  const std::uint64_t now = std::min(TRY(full_status_of(fd)).size, size);
  if (now <= offset) return std::nullopt;
  return up_to(static_cast<off_t>(now), true);
}

Owner process_owner() {
  return {::geteuid(), ::getegid()};
}

void advise_sequential(int fd) {
  // Advice only: a failure changes nothing.
  static_cast<void>(::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
}

}  // namespace backstay::io
