#include "io/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>

#include "base/try.h"
#include "io/failure.h"

namespace backstay::io {
namespace {

// One read(2) or write(2) moves at most 2,147,479,552 bytes; 1 GiB stays clear of that.
constexpr std::size_t kTransferMax = std::size_t{1} << 30;

FileInfo info_of(const struct stat& st) {
  FileInfo info;
  info.size = static_cast<std::uint64_t>(st.st_size);
  info.modified = {st.st_mtim.tv_sec, static_cast<std::uint32_t>(st.st_mtim.tv_nsec)};
  info.is_directory = S_ISDIR(st.st_mode);
  info.is_regular = S_ISREG(st.st_mode);
  return info;
}

Result<void> make_directory(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  const int error = errno;
  struct stat st {};
  if (error == EEXIST && ::lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode) &&
      ::stat(path.c_str(), &st) != 0)
    return fail(
        ErrorCode::kAlreadyExists,
        fmt::format("creating folder {}: a symbolic link that leads nowhere is there", path));
  // Some file systems answer EROFS or EACCES for a folder that is there.
  if (::stat(path.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return {};
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("creating folder {}: a file of that name is there", path));
  }
  return fail_io(error, "creating folder " + path);
}

Result<off_t> checked_offset(std::uint64_t offset, std::size_t length) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  if (offset > kMax || length > kMax - offset) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("offset {} is too large", offset));
  }
  return static_cast<off_t>(offset);
}

// Follows neither links nor FIFOs: a stranger may have put either among the objects.
Result<Fd> open_object(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) {
    if (errno != ELOOP && errno != ENXIO) return fail_io(errno, "opening " + path);
  } else if (TRY(open_file_info(fd.get())).is_regular) {
    return fd;
  }
  return fail(ErrorCode::kNotFound, fmt::format("opening {}: it is not a regular file", path));
}

}  // namespace

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<void> make_directories(const std::string& path, unsigned mode) {
  for (std::size_t end = path.find('/', 1); end != std::string::npos;
       end = path.find('/', end + 1)) {
    TRY(make_directory(path.substr(0, end), mode));
  }
  return make_directory(path, mode);
}

Result<Bytes> read_file(const std::string& path, std::uint64_t size_max) {
  const Fd fd = TRY(open_file(path, OpenMode::kRead));
  return TRY_DOING("reading " + path, read_open_file(fd.get(), size_max));
}

Result<FileInfo> file_info(const std::string& path, Links links) {
  struct stat st {};
  const int flags = links == Links::kStay ? AT_SYMLINK_NOFOLLOW : 0;
  if (::fstatat(AT_FDCWD, path.c_str(), &st, flags) != 0) {
    return fail_io(errno, "looking at " + path);
  }
  return info_of(st);
}

Result<FileInfo> open_file_info(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_io(errno, "looking at an open file");
  return info_of(st);
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) return fail_io(errno, "listing folder " + path);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name(&entry->d_name[0]);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return fail_io(errno, "listing folder " + path);
  return names;
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  return fail_io(errno, "removing " + path);
}

Result<void> sync_directory(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_io(errno, "opening folder " + path);
  if (::fsync(fd.get()) == 0) return {};
  // File systems that keep names synchronous have nothing to sync and say so in this way.
  if (errno == EINVAL || errno == EOPNOTSUPP) return {};
  return fail_io(errno, "syncing folder " + path);
}

Result<void> sync_file_system(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_io(errno, "opening " + path);
  if (::syncfs(fd.get()) != 0) return fail_io(errno, "syncing the file system of " + path);
  return {};
}

Result<void> sync_file(int fd) {
  if (::fdatasync(fd) == 0 || errno == EINVAL || errno == EOPNOTSUPP) return {};
  return fail_io(errno, "syncing");
}

Result<Fd> open_file(const std::string& path, OpenMode mode) {
  if (mode == OpenMode::kReadObject) return open_object(path);
  constexpr int kFlags = O_RDONLY | O_CLOEXEC;
  Fd fd;
  if (mode == OpenMode::kReadNoAtime) {
    fd = Fd(::open(path.c_str(), kFlags | O_NOATIME));
    // Only the owner of a file may read it without a trace.
    if (!fd && errno != EPERM) return fail_io(errno, "opening " + path);
  }
  if (!fd) fd = Fd(::open(path.c_str(), kFlags));
  if (!fd) return fail_io(errno, "opening " + path);
  return fd;
}

Result<std::size_t> read_full(int fd, MutableByteView out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::read(fd, out.data() + done, std::min(out.size() - done, kTransferMax));
    if (got == 0) break;
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return fail_io(errno, "reading");
    }
  }
  return done;
}

Result<std::size_t> pread_full(int fd, MutableByteView out, std::uint64_t offset) {
  const off_t start = TRY(checked_offset(offset, out.size()));
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd, out.data() + done, std::min(out.size() - done, kTransferMax),
                                start + static_cast<off_t>(done));
    if (got == 0) break;
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return fail_io(errno, fmt::format("reading at offset {}", offset));
    }
  }
  return done;
}

Result<void> write_full(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), std::min(bytes.size(), kTransferMax));
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    } else if (errno != EINTR) {
      return fail_io(errno, "writing");
    }
  }
  return {};
}

Result<void> pwrite_full(int fd, ByteView bytes, std::uint64_t offset) {
  off_t position = TRY(checked_offset(offset, bytes.size()));
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), std::min(bytes.size(), kTransferMax), position);
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      position += put;
    } else if (errno != EINTR) {
      return fail_io(errno, fmt::format("writing at offset {}", offset));
    }
  }
  return {};
}

void forget_cached(int fd) {
  static_cast<void>(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
}

Result<Bytes> read_open_file(int fd, std::uint64_t size_max) {
  const auto too_large = [&] {
    return fail(ErrorCode::kInvalidArgument, fmt::format("it is larger than {} bytes", size_max));
  };
  const std::uint64_t size = TRY(open_file_info(fd)).size;
  if (size > size_max) return too_large();
  Bytes out(size);
  const std::size_t got = TRY(read_full(fd, out));
  out.resize(got);
  // What fstat said is the end only for regular files that nobody extends.
  for (;;) {
    std::uint8_t more[4096];
    const std::size_t extra = TRY(read_full(fd, more));
    if (extra == 0) return out;
    if (extra > size_max - out.size()) return too_large();
    append(out, ByteView(more).first(extra));
  }
}

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path) {
  const Fd fd = TRY(open_file(path, OpenMode::kReadObject));
  const std::uint64_t size = TRY(open_file_info(fd.get())).size;
  ByteView bytes;
  if (size > 0) {
    void* const start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (start == MAP_FAILED) return fail_io(errno, "mapping " + path);
    // Looked up by hash: reading ahead would only evict what is in use.
    ::madvise(start, size, MADV_RANDOM);
    bytes = {static_cast<const std::uint8_t*>(start), size};
  }
  return std::unique_ptr<MappedFile>(new MappedFile(bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

void MappedFile::forget_pages() const {
  if (bytes_.empty()) return;
  ::madvise(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

Result<bool> try_lock(int fd, FileLock lock) {
  const int operation = lock == FileLock::kShared ? LOCK_SH : LOCK_EX;
  if (::flock(fd, operation | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return fail_io(errno, "locking a file");
}

Result<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> found(::realpath(path.c_str(), nullptr), std::free);
  if (!found) return fail_io(errno, "looking for " + path);
  return std::string(found.get());
}

Result<std::uint64_t> free_bytes(const std::string& path) {
  struct statvfs vfs {};
  if (::statvfs(path.c_str(), &vfs) != 0) return fail_io(errno, "looking at the space of " + path);
  return std::uint64_t{vfs.f_bavail} * vfs.f_frsize;
}

Result<std::uint64_t> total_bytes(const std::string& path) {
  struct statvfs vfs {};
  if (::statvfs(path.c_str(), &vfs) != 0) return fail_io(errno, "looking at the space of " + path);
  return std::uint64_t{vfs.f_blocks} * vfs.f_frsize;
}

Result<std::uint64_t> free_bytes_of(int fd) {
  struct statvfs vfs {};
  if (::fstatvfs(fd, &vfs) != 0) return fail_io(errno, "looking at the space around an open file");
  return std::uint64_t{vfs.f_bavail} * vfs.f_frsize;
}

Result<void> clone_bytes(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  return fail(ErrorCode::kUnsupported, "the file system does not share bytes between files");
}

}  // namespace backstay::io
