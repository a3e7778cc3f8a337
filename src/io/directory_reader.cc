#include "io/directory_reader.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/try.h"

namespace backstay::io {

DirectoryReader::DirectoryReader(std::size_t buffer_bytes) : buffer_(buffer_bytes) {}

Result<void> DirectoryReader::start(int fd) {
  fd_ = fd;
  position_ = filled_ = 0;
  if (::lseek(fd, 0, SEEK_SET) < 0) return fail_errno(errno, "rewinding the folder");
  return {};
}

Result<bool> DirectoryReader::fill() {
  const ssize_t got = ::getdents64(fd_, buffer_.data(), buffer_.size());
  position_ = 0;
  filled_ = got > 0 ? static_cast<std::size_t>(got) : 0;
  if (got < 0) return fail_errno(errno, "listing the folder");
  return got > 0;
}

Result<std::optional<std::string_view>> DirectoryReader::next() {
  // The kernel lays records of linux_dirent64 end to end: 19 bytes, then the name with its NUL.
  constexpr std::size_t kLengthAt = offsetof(dirent64, d_reclen);
  constexpr std::size_t kNameAt = offsetof(dirent64, d_name);
  while (true) {
    if (position_ >= filled_ && !TRY(fill())) return std::nullopt;
    const std::uint8_t* record = buffer_.data() + position_;
    position_ += load_le<std::uint16_t>(record + kLengthAt);
    const std::string_view name(reinterpret_cast<const char*>(record + kNameAt));
    if (name != "." && name != "..") return name;
  }
}

}  // namespace backstay::io
