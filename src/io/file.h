// Files and folders by descriptor. This room is the only one that includes <unistd.h>.
//
// Paths are bytes. Every failure of a function that takes a path names it; those that take a
// descriptor leave that to the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/streamed_bytes.h"

namespace backstay::io {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

struct FileInfo {
  std::uint64_t size = 0;
  Timestamp modified;
  bool is_directory = false;
  bool is_regular = false;
};

// Whether a symbolic link in the last component of a path is followed. Where it is not, the link
// itself is described: neither a folder nor a regular file.
enum class Links : std::uint8_t { kFollow, kStay };

enum class Durability : std::uint8_t {
  kUnsynced,
  kSynced,
  kSyncedUncached,  // and past the page cache where the file system can
};

// ---- whole files and folders by path: for the repository, the cache and key files
Result<void> make_directories(const std::string& path, unsigned mode = 0700);
Result<Bytes> read_file(const std::string& path, std::uint64_t size_max);
Result<FileInfo> file_info(const std::string& path, Links links = Links::kFollow);
// Absolute, without links, "." and ".."; what it names must be there.
Result<std::string> real_path(const std::string& path);
// Names in a folder without "." and "..", in no order.
Result<std::vector<std::string>> list_directory(const std::string& path);
// kAlreadyExists-free removal: a file that is not there counts as removed.
Result<void> remove_file(const std::string& path);
Result<void> remove_tree(const std::string& path);
Result<void> sync_directory(const std::string& path);
// All that was changed on the file system that holds `path`, attributes too, is on the disk.
Result<void> sync_file_system(const std::string& path);
// The bytes of an open file are on the disk when it returns, whoever wrote them.
Result<void> sync_file(int fd);
// Writes the pieces to a new file `path` that must not exist (kAlreadyExists), mode 0600. The name
// appears only when all bytes are there: an unnamed file (O_TMPFILE) linked into place, or where
// the file system has none, a file named ".tmp-..." in `temporary_folder` (by default the folder of
// `path`) that is renamed without replacing. With kSynced the bytes are on the disk before the name
// appears; the folder's entry is durable after sync_directory().
Result<void> create_file(const std::string& path, std::span<const ByteView> pieces,
                         Durability durability, const std::string& temporary_folder = {});
// The same of bytes that are not in memory; of these none goes past the page cache.
Result<void> create_file(const std::string& path, const StreamedBytes& bytes, Durability durability,
                         const std::string& temporary_folder = {});
// What the names of temporary files start with.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";
// A file for reading and writing on the file system of `folder` that goes with its descriptor.
Result<Fd> create_nameless_file(const std::string& folder);
// Replaces or creates `path` in one step (temporary file and rename). For caches only.
Result<void> replace_file(const std::string& path, ByteView bytes);

// ---- open files
// kReadNoAtime leaves the time of the last access alone where that is allowed. kReadObject opens
// regular files only (not_found otherwise), follows no link in the last component and never waits
// for a FIFO.
enum class OpenMode : std::uint8_t { kRead, kReadNoAtime, kReadObject };
Result<Fd> open_file(const std::string& path, OpenMode mode);
Result<FileInfo> open_file_info(int fd);
// The whole file; invalid_argument when it is larger than `size_max`. Works for pipes too.
Result<Bytes> read_open_file(int fd, std::uint64_t size_max);
// Reads until `out` is full or the file ends; returns the bytes read. Retries EINTR and short
// reads.
Result<std::size_t> read_full(int fd, MutableByteView out);
Result<std::size_t> pread_full(int fd, MutableByteView out, std::uint64_t offset);
// The next read of the file asks the medium again, as far as the system allows.
void forget_cached(int fd);
Result<void> write_full(int fd, ByteView bytes);
Result<void> pwrite_full(int fd, ByteView bytes, std::uint64_t offset);

// Advisory, between processes and between openings of one; it goes with the last descriptor of the
// opening. False when another holds a lock that excludes this one.
enum class FileLock : std::uint8_t { kShared, kExclusive };
Result<bool> try_lock(int fd, FileLock lock);

// A file mapped read-only, for index runs. Keeps the mapping as long as it lives.
class MappedFile {
 public:
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  // What was read so far does not count as resident any more; it comes back when it is looked at,
  // mostly from the page cache. Thread-safe, also while others read.
  void forget_pages() const;

 private:
  explicit MappedFile(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

// Free bytes that this user may still write on the file system that holds `path`.
Result<std::uint64_t> free_bytes(const std::string& path);
Result<std::uint64_t> free_bytes_of(int fd);
// All bytes of that file system, taken or free.
Result<std::uint64_t> total_bytes(const std::string& path);
// Makes the empty file `to` share all bytes of `from`, which costs next to nothing. Unsupported
// where the file system cannot do that.
Result<void> clone_bytes(int from, int to);

// What time the file system that holds `folder` has: the modification time of a file made there and
// removed at once. On a network mount it is the server's clock.
Result<Timestamp> file_system_time(const std::string& folder);

}  // namespace backstay::io
