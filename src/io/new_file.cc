// Files that appear under their name whole or not at all.
//
// The good way is a file without a name (O_TMPFILE) that is linked into place: a crash leaves
// nothing, and link(2) refuses a name that is taken. Where the file system has no such files, a
// named temporary file is renamed with RENAME_NOREPLACE, and where it has not that either, linked
// and unlinked. A file system with none of the three cannot hold a repository, because two writers
// could not be told apart.
#include "io/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/hex.h"
#include "base/try.h"
#include "io/direct_write.h"
#include "io/failure.h"
#include "io/file.h"
#include "io/unnamed_file.h"

namespace backstay::io {
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

namespace {

// A file with a name of its own, removed again unless released.
class TemporaryFile {
 public:
  static Result<TemporaryFile> create(const std::string& folder) {
    // A taken name is as good as impossible; more tries would hide another fault.
    for (int attempt = 0; attempt < 3; ++attempt) {
      std::uint8_t random[8] = {};
      if (::getrandom(&random[0], sizeof random, 0) != ssize_t{sizeof random}) {
        return fail_io(errno, "reading random bytes");
      }
      std::string path = fmt::format("{}/{}{}", folder, kTemporaryPrefix, to_hex(random));
      Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
      if (fd) return TemporaryFile(std::move(fd), std::move(path));
      if (errno != EEXIST) return fail_io(errno, "creating " + path);
    }
    return fail(ErrorCode::kUnavailable, "no free name for a temporary file in " + folder);
  }
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(TemporaryFile&& other) noexcept
      : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Fd take_fd() { return std::move(fd_); }
  // The name now belongs to somebody else.
  void release() { path_.clear(); }

 private:
  TemporaryFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;
};

Result<void> write_contents(int fd, const NewFile& file) {
  if (file.streamed != nullptr) {
    TRY(for_each_piece(*file.streamed, [&](ByteView piece) { return write_full(fd, piece); }));
  } else if (file.durability == Durability::kSyncedUncached) {
    TRY(write_direct(fd, file.pieces));
  } else {
    for (const ByteView piece : file.pieces) TRY(write_full(fd, piece));
  }
  if (file.durability != Durability::kUnsynced && ::fdatasync(fd) != 0)
    return fail_io(errno, "syncing");
  return {};
}

bool is_not_possible(const Error& error) {
  return error.code() == ErrorCode::kUnsupported;
}

Result<Outcome> create_without_name(const NewFile& file) {
  const Result<Fd> fd = create_unnamed(AT_FDCWD, folder_of(file.path), 0600);
  if (!fd && is_not_possible(fd.error())) return Outcome::kNotPossibleHere;
  if (!fd) return std::unexpected(fd.error().clone().with_context("creating " + file.path));
  TRY_DOING("creating " + file.path, write_contents(fd->get(), file));
  const Result<void> named = name_unnamed(fd->get(), AT_FDCWD, file.path);
  if (!named && is_not_possible(named.error())) return Outcome::kNotPossibleHere;
  if (!named) return std::unexpected(named.error().clone().with_context("creating " + file.path));
  return Outcome::kCreated;
}

Result<Outcome> name_by_rename(TemporaryFile& file, const std::string& path) {
  if (::renameat2(AT_FDCWD, file.path().c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
    file.release();
    return Outcome::kCreated;
  }
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return Outcome::kNotPossibleHere;
  return fail_io(errno, "creating " + path);
}

// A network server may have made the link although its answer was lost and the second try failed:
// then the file has two names.
bool has_two_names(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 && st.st_nlink == 2;
}

// The temporary name goes with the TemporaryFile.
Result<Outcome> name_by_link(const TemporaryFile& file, const std::string& path) {
  if (::link(file.path().c_str(), path.c_str()) == 0) return Outcome::kCreated;
  if (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP) return Outcome::kNotPossibleHere;
  const int error = errno;
  if (error == EEXIST && has_two_names(file.fd())) return Outcome::kCreated;
  return fail_io(error, "creating " + path);
}

}  // namespace

Result<Outcome> create_file_by(Naming naming, const NewFile& file) {
  if (naming == Naming::kUnnamed) return create_without_name(file);
  TemporaryFile temporary = TRY(TemporaryFile::create(
      file.temporary_folder.empty() ? folder_of(file.path) : file.temporary_folder));
  TRY_DOING("creating " + file.path, write_contents(temporary.fd(), file));
  const bool named =
      naming == Naming::kRenamed && TRY(name_by_rename(temporary, file.path)) == Outcome::kCreated;
  if (named) return Outcome::kCreated;
  return name_by_link(temporary, file.path);
}

static Result<void> create_somehow(const NewFile& file) {
  for (const Naming naming : {Naming::kUnnamed, Naming::kRenamed}) {
    if (TRY(create_file_by(naming, file)) == Outcome::kCreated) return {};
  }
  return std::unexpected(
      Error(ErrorCode::kUnsupported,
            fmt::format("creating {}: this file system can create no file without the risk of "
                        "replacing another",
                        file.path))
          .with_hint("Keep the repository on a file system that knows hard links."));
}

Result<void> create_file(const std::string& path, std::span<const ByteView> pieces,
                         Durability durability, const std::string& temporary_folder) {
  return create_somehow({.path = path,
                         .pieces = pieces,
                         .durability = durability,
                         .temporary_folder = temporary_folder,
                         .streamed = nullptr});
}

Result<void> create_file(const std::string& path, const StreamedBytes& bytes, Durability durability,
                         const std::string& temporary_folder) {
  return create_somehow({.path = path,
                         .pieces = {},
                         .durability = durability,
                         .temporary_folder = temporary_folder,
                         .streamed = &bytes});
}

Result<Fd> create_nameless_file(const std::string& folder) {
  Result<Fd> unnamed = create_unnamed(AT_FDCWD, folder, 0600);
  if (unnamed) return unnamed;
  if (!is_not_possible(unnamed.error()))
    return std::unexpected(
        unnamed.error().clone().with_context("creating a temporary file in " + folder));
  TemporaryFile named = TRY(TemporaryFile::create(folder));
  return named.take_fd();  // the name goes here
}

Result<void> replace_file(const std::string& path, ByteView bytes) {
  TemporaryFile file = TRY(TemporaryFile::create(folder_of(path)));
  TRY_DOING("writing " + path, write_full(file.fd(), bytes));
  if (::rename(file.path().c_str(), path.c_str()) != 0) return fail_io(errno, "writing " + path);
  file.release();
  return {};
}

Result<Timestamp> file_system_time(const std::string& folder) {
  const Result<Fd> unnamed = create_unnamed(AT_FDCWD, folder, 0600);
  if (unnamed) return TRY(open_file_info(unnamed->get())).modified;
  if (!is_not_possible(unnamed.error()))
    return std::unexpected(
        unnamed.error().clone().with_context("asking for the time of " + folder));
  const TemporaryFile file = TRY(TemporaryFile::create(folder));
  return TRY(open_file_info(file.fd())).modified;
}

}  // namespace backstay::io
