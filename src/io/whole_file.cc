#include "io/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/try.h"
#include "io/failure.h"
#include "io/new_file.h"
#include "io/unnamed_file.h"

namespace backstay::io {
namespace {

std::unexpected<Error> taken(const std::string& path) {
  return std::unexpected(
      Error(ErrorCode::kAlreadyExists, path + " is there already")
          .with_hint("Nothing was changed. Name another file, or move it away."));
}

}  // namespace

Result<WholeFile> WholeFile::create(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) return taken(path);
  const std::string folder = folder_of(path);
  auto unnamed = create_unnamed(AT_FDCWD, folder, 0600);
  if (unnamed) return WholeFile(path, *std::move(unnamed), {});
  if (unnamed.error().code() != ErrorCode::kUnsupported)
    return std::unexpected(std::move(unnamed).error().with_context("creating " + path));
  std::string temporary = fmt::format("{}/{}{}-{}", folder, kTemporaryPrefix, ::getpid(),
                                      path.substr(path.rfind('/') + 1).substr(0, 200));
  Fd fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_io(errno, "creating " + temporary);
  return WholeFile(path, std::move(fd), std::move(temporary));
}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::move(other.fd_)),
      temporary_(std::exchange(other.temporary_, {})) {}

WholeFile::~WholeFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> WholeFile::write(ByteView bytes) {
  TRY_DOING("writing " + path_, write_full(fd_.get(), bytes));
  return {};
}

Result<void> WholeFile::finish() {
  TRY_DOING("writing " + path_, sync_file(fd_.get()));
  TRY(give_name());
  TRY(sync_directory(folder_of(path_)));
  return {};
}

Result<void> WholeFile::give_name() {
  if (temporary_.empty()) {
    auto named = name_unnamed(fd_.get(), AT_FDCWD, path_);
    if (!named && named.error().code() == ErrorCode::kAlreadyExists) return taken(path_);
    TRY_DOING("naming " + path_, std::move(named));
    return {};
  }
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0)
    return errno == EEXIST ? taken(path_) : fail_io(errno, "naming " + path_);
  temporary_.clear();
  return {};
}

}  // namespace backstay::io
