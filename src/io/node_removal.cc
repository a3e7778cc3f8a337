// Removing what stands under a name in a folder that others may write to as well.
//
// A tree is emptied depth first without recursion. The deepest kOpenLevelsMax folders of the
// current branch stay open; the ones above are closed and reopened through ".." on the way back,
// and what ".." leads to must be the inode that was entered before: a folder that somebody moves
// meanwhile cannot take the removal along to another place.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "base/try.h"
#include "io/attributes.h"
#include "io/node.h"
#include "io/system_call.h"

namespace backstay::io {
namespace {

constexpr std::size_t kOpenLevelsMax = 32;
constexpr int kRoundsMax = 64;  // how often a folder that fills up again is emptied

struct CloseStream {
  void operator()(DIR* stream) const { ::closedir(stream); }
};
using Stream = std::unique_ptr<DIR, CloseStream>;

Result<Stream> open_stream(int folder, const char* name) {
  const int fd = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fail_call(errno, "opening the folder " + quoted(name));
  Stream stream(::fdopendir(fd));
  if (!stream) {
    const int error_number = errno;
    ::close(fd);
    return fail_call(error_number, "opening the folder " + quoted(name));
  }
  return stream;
}

class TreeRemoval {
 public:
  explicit TreeRemoval(int folder) : base_(folder) {}

  Result<void> run(const std::string& name) {
    TRY(enter(name));
    while (!levels_.empty()) {
      const dirent* item = TRY(next_item());
      if (item == nullptr) {
        TRY(leave());
      } else {
        TRY(remove_item(*item));
      }
    }
    return {};
  }

 private:
  struct Level {
    std::string name;
    FileStatus status;
    Stream stream;  // null while closed
    int rounds = 0;
  };

  [[nodiscard]] int fd_of(const Level& level) const { return ::dirfd(level.stream.get()); }
  [[nodiscard]] int deepest() const { return levels_.empty() ? base_ : fd_of(levels_.back()); }

  Result<void> enter(const std::string& name) {
    const int above = deepest();
    Result<Stream> opened = open_stream(above, name.c_str());
    if (!opened && opened.error().code() == ErrorCode::kPermissionDenied) {
      if (TRY(allow_owner_at(above, name))) opened = open_stream(above, name.c_str());
    }
    Level level{name, {}, TRY(std::move(opened)), 0};
    level.status = TRY(full_status_of(fd_of(level)));
    if (TRY(is_mount_root(fd_of(level)))) {
      return std::unexpected(
          Error(ErrorCode::kConflict, quoted(name) + " is a mount point and is not removed")
              .with_hint("Unmount it, or choose another target."));
    }
    TRY(make_writable(fd_of(level), level.status));
    levels_.push_back(std::move(level));
    if (levels_.size() > kOpenLevelsMax)
      levels_[levels_.size() - 1 - kOpenLevelsMax].stream.reset();
    return {};
  }

  // So that what is in it can be removed.
  Result<void> make_writable(int fd, const FileStatus& status) {
    TRY(clear_protection(fd));
    const bool closed_to_owner = (status.mode & 0700U) != 0700U;
    if (closed_to_owner && status.uid == ::geteuid()) TRY(set_mode({fd}, status.mode | 0700U));
    return {};
  }

  // Nothing at the end of the deepest folder.
  Result<const dirent*> next_item() {
    for (;;) {
      errno = 0;
      const dirent* item = ::readdir(levels_.back().stream.get());
      if (item == nullptr && errno != 0) return fail_call(errno, "listing a folder to remove it");
      if (item == nullptr) return nullptr;
      const std::string_view name(item->d_name);
      if (name != "." && name != "..") return item;
    }
  }

  Result<void> remove_item(const dirent& item) {
    const std::string name(item.d_name);
    if (item.d_type == DT_DIR) return enter(name);
    if (item.d_type == DT_UNKNOWN) {
      const std::optional<FileStatus> status = TRY(find_at(deepest(), name));
      if (status && status->kind == FileKind::kDirectory) return enter(name);
    }
    return remove_non_folder_at(deepest(), name);
  }

  // The deepest folder was read to its end: it goes, unless somebody put something into it
  // meanwhile.
  Result<void> leave() {
    Level& level = levels_.back();
    const int above = TRY(open_above());
    if (::unlinkat(above, level.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
      levels_.pop_back();
      return {};
    }
    const bool filled_again = errno == ENOTEMPTY || errno == EEXIST;
    if (!filled_again || ++level.rounds == kRoundsMax) {
      return fail_call(errno, "removing the folder " + quoted(level.name));
    }
    ::rewinddir(level.stream.get());
    return {};
  }

  Result<int> open_above() {
    if (levels_.size() == 1) return base_;
    Level& above = levels_[levels_.size() - 2];
    if (above.stream) return fd_of(above);
    Stream stream = TRY(open_stream(deepest(), ".."));
    const FileStatus status = TRY(full_status_of(::dirfd(stream.get())));
    if (!status.same_file(above.status)) {
      return fail(ErrorCode::kConflict,
                  "the folder " + quoted(levels_.back().name) + " was moved while it was removed");
    }
    above.stream = std::move(stream);
    return fd_of(above);
  }

  int base_;
  std::vector<Level> levels_;
};

// Other names of an immutable file keep their protection.
Result<void> remove_protected(int folder, const std::string& name) {
  const std::optional<FileStatus> status = TRY(find_at(folder, name));
  if (!status || status->kind != FileKind::kRegular)
    return fail_call(EPERM, "removing " + quoted(name));
  const OpenNode file = TRY(open_file_to_read(folder, name.c_str()));
  const std::uint32_t flags = TRY(inode_flags(file.fd.get()));
  if (!TRY_DOING("removing " + quoted(name), clear_protection(file.fd.get()))) {
    return fail_call(EPERM, "removing " + quoted(name));
  }
  const int removed = ::unlinkat(folder, name.c_str(), 0);
  const int error_number = errno;
  if (removed != 0 || file.status.links > 1) TRY(set_inode_flags(file.fd.get(), flags));
  if (removed != 0) return fail_call(error_number, "removing " + quoted(name));
  return {};
}

}  // namespace

Result<void> remove_non_folder_at(int folder, const std::string& name) {
  TRY(validate_name(name));
  if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno == EPERM) return remove_protected(folder, name);
  return fail_call(errno, "removing " + quoted(name));
}

Result<void> remove_empty_folder_at(int folder, const std::string& name) {
  TRY(validate_name(name));
  if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  if (errno == ENOTEMPTY || errno == EEXIST)
    return fail(ErrorCode::kConflict, quoted(name) + " has something in it again");
  if (errno == EPERM) {
    // Nothing is in an immutable folder that this could take along.
    const std::vector<std::string> inside =
        TRY(names_in(TRY(open_folder_to_walk(folder, name.c_str(), FolderUse::kList)).fd.get()));
    if (inside.empty()) return remove_tree_at(folder, name);
  }
  return fail_call(errno, "removing the folder " + quoted(name));
}

Result<void> remove_tree_at(int folder, const std::string& name) {
  const std::optional<FileStatus> status = TRY(find_at(folder, name));
  if (!status) return {};
  if (status->kind != FileKind::kDirectory) return remove_non_folder_at(folder, name);
  return TreeRemoval(folder).run(name);
}

}  // namespace backstay::io
