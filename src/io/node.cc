#include "io/node.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/try.h"
#include "io/attributes.h"
#include "io/directory_reader.h"
#include "io/system_call.h"

namespace backstay::io {
namespace {

constexpr std::size_t kNameMax = 255;
// No terminal may become ours, no child may inherit, no open may wait for the other end of a FIFO.
constexpr int kSafely = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

Error not_regular(const std::string& name) {
  return {ErrorCode::kConflict, quoted(name) + " is not a regular file"};
}

// A file whose protection is gone for a moment.
struct Unprotected {
  OpenNode file;
  std::uint32_t flags = 0;
  bool cleared = false;

  [[nodiscard]] Result<void> protect_again() const {
    return cleared ? set_inode_flags(file.fd.get(), flags) : Result<void>{};
  }
};

Result<Unprotected> unprotect(int folder, const std::string& name) {
  Unprotected found;
  Result<OpenNode> file = open_file_to_read(folder, name.c_str());
  if (!file) return found;
  found.file = *std::move(file);
  found.flags = TRY(inode_flags(found.file.fd.get()));
  found.cleared = clear_protection(found.file.fd.get()).value_or(false);
  return found;
}

// Immutable and append-only files are neither renamed nor replaced until they are neither. At no
// moment there is nothing under the name `to` that had something. Returns what rename did.
Result<int> rename_protected(int folder, const std::string& from, const std::string& to,
                             bool replace) {
  const Unprotected source = TRY(unprotect(folder, from));
  const Unprotected replaced = replace ? TRY(unprotect(folder, to)) : Unprotected();
  const int result = ::renameat(folder, from.c_str(), folder, to.c_str());
  TRY(source.protect_again());
  // Other names of the file keep its protection.
  if (result != 0 || replaced.file.status.links > 1) TRY(replaced.protect_again());
  return result;
}

}  // namespace

std::string quoted(std::string_view name) {
  std::string out = "'";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "'";
}

Result<void> validate_name(std::string_view name) {
  const bool bad = name.empty() || name == "." || name == ".." || name.size() > kNameMax ||
                   name.find('/') != name.npos || name.find('\0') != name.npos;
  if (bad) {
    return fail(ErrorCode::kInvalidArgument,
                quoted(name.substr(0, kNameMax)) + " is not a name of a file or folder");
  }
  return {};
}

Result<std::optional<FileStatus>> find_at(int folder, const std::string& name) {
  TRY(validate_name(name));
  Result<FileStatus> found = full_status_at(folder, name.c_str());
  if (found) return *found;
  if (found.error().code() == ErrorCode::kNotFound) return std::nullopt;
  return std::unexpected(std::move(found).error());
}

Result<Fd> open_for_change_at(int folder, const std::string& name) {
  const std::optional<FileStatus> before = TRY(find_at(folder, name));
  if (!before) return fail(ErrorCode::kNotFound, quoted(name) + " does not exist");
  if (before->kind != FileKind::kRegular) return std::unexpected(not_regular(name));
  Fd fd(::openat(folder, name.c_str(), O_RDWR | kSafely));
  if (!fd) return fail_call(errno, "opening " + quoted(name));
  // Something else may have taken the name between the two calls.
  if (TRY(full_status_of(fd.get())).kind != FileKind::kRegular)
    return std::unexpected(not_regular(name));
  return fd;
}

Result<Fd> open_folder_path(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_call(errno, "opening the folder " + path);
  return fd;
}

bool may_write_in(int folder) {
  return ::faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

Result<bool> is_mount_root(int fd) {
  struct statx raw;
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &raw) != 0) {
    return fail_call(errno, "looking at an open folder");
  }
  return (raw.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<Fd> open_node_at(int folder, const std::string& name) {
  TRY(validate_name(name));
  Fd fd(::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_call(errno, "opening " + quoted(name));
  return fd;
}

Result<std::vector<std::string>> names_in(int folder) {
  // A new open file description: the position of `folder` itself may be in use by another thread.
  const Fd own(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return fail_call(errno, "opening a folder to list it");
  DirectoryReader reader;
  TRY(reader.start(own.get()));
  std::vector<std::string> names;
  while (const std::optional<std::string_view> name = TRY(reader.next())) names.emplace_back(*name);
  return names;
}

Result<void> make_folder_at(int folder, const std::string& name, std::uint32_t mode) {
  TRY(validate_name(name));
  if (::mkdirat(folder, name.c_str(), mode) != 0) {
    return fail_call(errno, "making the folder " + quoted(name));
  }
  return {};
}

Result<Fd> create_regular_at(int folder, const std::string& name, std::uint32_t mode) {
  TRY(validate_name(name));
  Fd fd(::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | kSafely, mode));
  if (!fd) return fail_call(errno, "making the file " + quoted(name));
  return fd;
}

Result<void> make_symlink_at(int folder, const std::string& name, const std::string& target) {
  TRY(validate_name(name));
  if (target.empty() || target.find('\0') != target.npos) {
    return fail(ErrorCode::kInvalidArgument,
                "the symbolic link " + quoted(name) + " has an impossible target");
  }
  if (::symlinkat(target.c_str(), folder, name.c_str()) != 0) {
    return fail_call(errno, "making the symbolic link " + quoted(name));
  }
  return {};
}

Result<void> make_special_at(int folder, const std::string& name, FileKind kind,
                             std::uint64_t special_device) {
  TRY(validate_name(name));
  mode_t type = S_IFIFO;
  switch (kind) {
    case FileKind::kFifo:
      break;
    case FileKind::kSocket:
      type = S_IFSOCK;
      break;
    case FileKind::kCharDevice:
      type = S_IFCHR;
      break;
    case FileKind::kBlockDevice:
      type = S_IFBLK;
      break;
    default:
      return fail(ErrorCode::kInvalidArgument, quoted(name) + " is not a special file");
  }
  const dev_t device = makedev(static_cast<unsigned>(special_device >> 32),
                               static_cast<unsigned>(special_device & UINT32_MAX));
  if (::mknodat(folder, name.c_str(), type | 0600U, device) != 0) {
    return fail_call(errno, "making the special file " + quoted(name));
  }
  return {};
}

Result<void> link_at(int from_folder, const std::string& from_name, int folder,
                     const std::string& name) {
  TRY(validate_name(from_name));
  TRY(validate_name(name));
  if (::linkat(from_folder, from_name.c_str(), folder, name.c_str(), 0) != 0) {
    return fail_call(errno, "making " + quoted(name) + " a hard link to " + quoted(from_name));
  }
  return {};
}

Result<void> rename_at(int folder, const std::string& from, const std::string& to) {
  TRY(validate_name(from));
  TRY(validate_name(to));
  const auto failed = [&](int error_number) {
    return fail_call(error_number, "renaming " + quoted(from) + " to " + quoted(to));
  };
  // A free name, which is the usual thing, needs none of the looks below.
  if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  const std::optional<FileStatus> present = TRY(find_at(folder, to));
  if (present && present->kind == FileKind::kDirectory) {
    return fail(ErrorCode::kConflict, quoted(to) + " is a folder");
  }
  if (::renameat(folder, from.c_str(), folder, to.c_str()) != 0) {
    if (errno != EPERM) return failed(errno);
    if (TRY(rename_protected(folder, from, to, present.has_value())) != 0) return failed(EPERM);
  }
  // Two names of the same inode are left as they are by rename.
  const std::optional<FileStatus> source = TRY(find_at(folder, from));
  if (source && present && source->same_file(*present)) return remove_non_folder_at(folder, from);
  return {};
}

Result<void> rename_if_free_at(int folder, const std::string& from, const std::string& to) {
  TRY(validate_name(from));
  TRY(validate_name(to));
  if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  const std::string what = "renaming " + quoted(from) + " to " + quoted(to);
  if (errno == EINVAL || errno == ENOSYS) return fail(ErrorCode::kUnsupported, what);
  return fail_call(errno, what);
}

Result<bool> allow_owner_at(int folder, const std::string& name) {
  const Fd node = TRY(open_node_at(folder, name));
  const FileStatus status = TRY(full_status_of(node.get()));
  const bool is_folder = status.kind == FileKind::kDirectory;
  const std::uint32_t wanted = status.mode | (is_folder ? 0700U : 0600U);
  const bool can_help = is_folder || status.kind == FileKind::kRegular;
  if (!can_help || wanted == status.mode || status.uid != ::geteuid()) return false;
  TRY(set_mode({node.get(), NodeAccess::kPathOnly}, wanted));
  return true;
}

Result<bool> clear_protection(int fd) {
  const std::uint32_t flags = TRY(inode_flags(fd));
  if ((flags & kProtectionFlags) == 0) return false;
  TRY(set_inode_flags(fd, flags & ~kProtectionFlags));
  return true;
}

}  // namespace backstay::io
