// Every name is looked up in an open folder that was reached from the root without following a
// link, so nothing here can act outside the target. Two ways out remain, and both are closed below:
// a name in the target may be a hard link to an inode that has other names elsewhere
// (open_for_write and set_attributes never change such an inode in place), and a folder may be
// exchanged between two steps (TargetFolder compares the inode when it opens one again).
#include "source/target_tree.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/assert.h"
#include "base/mutex.h"
#include "base/try.h"
#include "io/attributes.h"
#include "io/metadata.h"
#include "io/node.h"
#include "io/unnamed_file.h"
#include "source/entry_status.h"
#include "source/target_attributes.h"
#include "source/target_folder.h"

namespace backstay::source {
namespace {

using snapshot::Entry;
using snapshot::EntryType;

// How often a name is cleared again that another program takes meanwhile.
constexpr int kTries = 16;
constexpr std::size_t kCopyBytes = std::size_t{256} * 1024;

Result<io::FileKind> kind_of(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return io::FileKind::kRegular;
    case EntryType::kDirectory:
      return io::FileKind::kDirectory;
    case EntryType::kSymlink:
      return io::FileKind::kSymlink;
    case EntryType::kFifo:
      return io::FileKind::kFifo;
    case EntryType::kSocket:
      return io::FileKind::kSocket;
    case EntryType::kCharDevice:
      return io::FileKind::kCharDevice;
    case EntryType::kBlockDevice:
      return io::FileKind::kBlockDevice;
  }
  return fail(ErrorCode::kCorruption, "the entry has an unknown type");
}

template <typename T>
bool failed_with(const Result<T>& result, ErrorCode code) {
  return !result && result.error().code() == code;
}

Error taken_again(const std::string& name) {
  return Error(ErrorCode::kConflict,
               "another program puts something under the name " + io::quoted(name))
      .with_hint("Stop whatever writes to the target, then restore again.");
}

Error with_owner_hint(Error error) {
  if (error.code() != ErrorCode::kPermissionDenied) return error;
  return std::move(error).with_hint("Restore as root, or choose a target in which you may write.");
}

// A protected folder takes no new names, not even from root.
Error with_folder_hint(Error error, int folder) {
  if (error.code() != ErrorCode::kPermissionDenied) return error;
  const Result<std::uint32_t> flags = io::inode_flags(folder);
  if (!flags || (*flags & io::kProtectionFlags) == 0) return with_owner_hint(std::move(error));
  return std::move(error)
      .with_context("the folder is immutable or append-only")
      .with_hint("Take that from the folder with 'chattr -ia FOLDER', then restore again.");
}

// The folder that is nearest to the target and open to be asked tells why.
Error with_target_hint(Error error, const std::string& path) {
  std::string above = path;
  while (!above.empty()) {
    const Result<io::Fd> folder = io::open_folder_path(above);
    if (folder) return with_folder_hint(std::move(error), folder->get());
    const std::size_t slash = above.find_last_of('/');
    above.resize(slash == std::string::npos ? 0 : slash);
  }
  const Result<io::Fd> here = io::open_folder_path(path.starts_with('/') ? "/" : ".");
  return here ? with_folder_hint(std::move(error), here->get()) : with_owner_hint(std::move(error));
}

// Calls `make` until it does not fail because the name is taken, and empties the name in between.
template <typename Make>
auto make_in_place(int folder, const std::string& name, Make make) -> decltype(make()) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    auto made = make();
    if (made) return made;
    if (made.error().code() != ErrorCode::kAlreadyExists) {
      return std::unexpected(with_folder_hint(std::move(made).error(), folder));
    }
    TRY(io::remove_tree_at(folder, name));
  }
  return std::unexpected(taken_again(name));
}

// Copies the bytes of a file, at most `length` of them, and leaves its holes out.
Result<void> copy_data(int from, int to, std::uint64_t length) {
  Bytes buffer(kCopyBytes);
  std::uint64_t at = 0;
  while (const auto run = TRY(io::extent_at(from, at, length))) {
    at = run->offset + run->length;
    if (run->hole) continue;
    for (std::uint64_t done = run->offset; done < at;) {
      const std::uint64_t step = std::min<std::uint64_t>(buffer.size(), at - done);
      const MutableByteView part = MutableByteView(buffer).first(step);
      const std::size_t got = TRY(io::pread_full(from, part, done));
      if (got == 0) return {};
      TRY(io::pwrite_full(to, part.first(got), done));
      done += got;
    }
  }
  return {};
}

// How many names of an inode this restore has made or found; others may be outside the target.
class KnownLinks {
 public:
  void add(const io::FileStatus& status) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    auto [place, is_new] = names_.try_emplace({status.device, status.inode}, 1U);
    ++place->second;
  }
  [[nodiscard]] std::uint64_t count(const io::FileStatus& status) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto place = names_.find({status.device, status.inode});
    return place == names_.end() ? 1 : place->second;
  }

 private:
  Mutex mutex_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> names_ GUARDED_BY(mutex_);
};

class FolderTarget final : public TargetTree {
 public:
  FolderTarget(io::Fd root, Options options)
      : options_(std::move(options)),
        root_(std::make_shared<TargetFolder>(
            std::move(root), std::make_shared<TargetHandles>(options_.open_folders_max))) {}

  [[nodiscard]] TargetFolderPtr root() override { return root_; }

  Result<std::optional<ExistingEntry>> look(const TargetFolderPtr& folder,
                                            const std::string& name) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    const std::optional<io::FileStatus> status = TRY(io::find_at(at->get(), name));
    if (!status) return std::nullopt;
    ExistingEntry existing;
    existing.entry = TRY(read_entry(at->get(), name, *status));
    existing.device = status->device;
    return existing;
  }

  [[nodiscard]] bool has_attributes(const ExistingEntry& existing,
                                    const Entry& entry) const override {
    return source::has_attributes(existing.entry, entry, options_);
  }

  Result<FolderPlace> place_of(const TargetFolderPtr& folder) override {
    const FolderHandle at = TRY(folder->handle());
    const io::FileStatus status = TRY(io::full_status_of(at->get()));
    return FolderPlace{.device = status.device,
                       .inode = status.inode,
                       .is_mount_root = TRY(io::is_mount_root(at->get()))};
  }

  Result<bool> leads_to_folder(const TargetFolderPtr& folder, const std::string& name) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    const Result<io::FileStatus> status =
        io::full_status_at(at->get(), name.c_str(), io::LastLink::kFollow);
    return status && status->kind == io::FileKind::kDirectory;
  }

  Result<std::vector<std::string>> names(const TargetFolderPtr& folder) override {
    return io::names_in(TRY(folder->handle())->get());
  }

  Result<TargetFolderPtr> find_folder(const TargetFolderPtr& folder,
                                      const std::string& name) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    Result<io::OpenNode> opened =
        io::open_folder_to_walk(at->get(), name.c_str(), io::FolderUse::kList);
    if (opened) return folder->child(name, std::move(opened->fd), opened->status);
    const ErrorCode code = opened.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kConflict) return TargetFolderPtr();
    return std::unexpected(std::move(opened).error());
  }

  Result<TargetFolderPtr> make_folder(const TargetFolderPtr& folder,
                                      const std::string& name) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const Result<void> made = io::make_folder_at(at->get(), name, 0700);
      if (!made && made.error().code() != ErrorCode::kAlreadyExists) {
        return std::unexpected(with_folder_hint(made.error().clone(), at->get()));
      }
      Result<io::OpenNode> opened = open_folder(at->get(), name);
      if (opened) {
        if (!made) TRY(make_usable(at->get(), name, opened->fd.get()));
        return folder->child(name, std::move(opened->fd), opened->status);
      }
      const ErrorCode code = opened.error().code();
      if (code != ErrorCode::kConflict && code != ErrorCode::kNotFound) {
        return std::unexpected(with_owner_hint(std::move(opened).error()));
      }
      TRY(io::remove_non_folder_at(at->get(), name));
    }
    return std::unexpected(taken_again(name));
  }

  Result<io::Fd> open_for_write(const TargetFolderPtr& folder, const std::string& name,
                                std::uint64_t size_bytes, Existing existing) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    const std::optional<io::FileStatus> status =
        existing == Existing::kKeepBytes ? TRY(io::find_at(at->get(), name)) : std::nullopt;
    const bool keep = status && status->kind == io::FileKind::kRegular;
    io::Fd fd =
        keep ? TRY(open_kept(at->get(), name, size_bytes)) : TRY(make_file(at->get(), name));
    if (keep || size_bytes > 0) TRY(io::set_size(fd.get(), size_bytes));
    return fd;
  }

  Result<io::Fd> open_unnamed(const TargetFolderPtr& folder, std::uint32_t mode) override {
    ASSERT(folder != nullptr);
    return io::create_unnamed(TRY(folder->handle())->get(), ".", mode);
  }

  Result<void> name_unnamed(const TargetFolderPtr& folder, const std::string& name,
                            int fd) override {
    return io::name_unnamed(fd, TRY(handle_of(folder, name))->get(), name);
  }

  Result<io::Fd> open_for_read(const TargetFolderPtr& folder, const std::string& name) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    const std::optional<io::FileStatus> status = TRY(io::find_at(at->get(), name));
    if (!status) return fail(ErrorCode::kNotFound, io::quoted(name) + " does not exist");
    if (status->kind != io::FileKind::kRegular) return std::unexpected(not_regular(name));
    return TRY_DOING("opening " + io::quoted(name), io::open_file_to_read(at->get(), name.c_str()))
        .fd;
  }

  Result<void> make_special(const TargetFolderPtr& folder, const std::string& name,
                            const Entry& entry) override {
    const FolderHandle at = TRY(handle_of(folder, name));
    const io::FileKind kind = TRY(kind_of(entry.type));
    return make_in_place(at->get(), name, [&]() -> Result<void> {
      if (kind == io::FileKind::kSymlink) {
        return io::make_symlink_at(at->get(), name, entry.symlink_target);
      }
      return io::make_special_at(at->get(), name, kind, entry.special_device);
    });
  }

  Result<void> make_hard_link(const TargetFolderPtr& from_folder, const std::string& from_name,
                              const TargetFolderPtr& folder, const std::string& name) override {
    const FolderHandle from = TRY(handle_of(from_folder, from_name));
    const FolderHandle at = TRY(handle_of(folder, name));
    const std::optional<io::FileStatus> source = TRY(io::find_at(from->get(), from_name));
    if (!source) return fail(ErrorCode::kNotFound, io::quoted(from_name) + " does not exist");
    if (source->kind == io::FileKind::kDirectory) {
      return fail(ErrorCode::kInvalidArgument, io::quoted(from_name) + " is a folder");
    }
    const std::optional<io::FileStatus> present = TRY(io::find_at(at->get(), name));
    if (!present || !present->same_file(*source)) {
      TRY(make_in_place(at->get(), name,
                        [&] { return link_unprotected(from->get(), from_name, at->get(), name); }));
    }
    links_.add(*source);
    return {};
  }

  Result<AttributeReport> set_attributes(const TargetFolderPtr& folder, const std::string& name,
                                         const Entry& entry, int fd) override {
    const io::FileKind kind = TRY(kind_of(entry.type));
    if (fd >= 0) {
      const io::FileStatus status = TRY(io::full_status_of(fd));
      if (status.kind != kind) return std::unexpected(of_other_type(name));
      return apply_attributes({fd}, status, entry, options_);
    }
    const FolderHandle at = TRY(handle_of(folder, name));
    std::optional<io::FileStatus> status = TRY(io::find_at(at->get(), name));
    if (!status) return fail(ErrorCode::kNotFound, io::quoted(name) + " does not exist");
    if (status->kind != kind) return std::unexpected(of_other_type(name));
    if (kind != io::FileKind::kDirectory && status->links > links_.count(*status)) {
      if (source::has_attributes(TRY(read_entry(at->get(), name, *status)), entry, options_)) {
        return AttributeReport{};
      }
      TRY(give_own_inode(at->get(), name, *status, entry));
      status = TRY(io::full_status_at(at->get(), name.c_str()));
    }
    return apply_by_name(at->get(), name, *status, entry);
  }

  Result<AttributeReport> set_root_attributes(const Entry& entry) override {
    if (entry.type != EntryType::kDirectory) {
      return fail(ErrorCode::kInvalidArgument, "the attributes of the target are not a folder's");
    }
    const FolderHandle root = TRY(root_->handle());
    return apply_attributes({root->get()}, TRY(io::full_status_of(root->get())), entry, options_);
  }

  Result<void> rename(const TargetFolderPtr& folder, const std::string& from,
                      const std::string& to) override {
    TRY(io::validate_name(from));
    const FolderHandle at = TRY(handle_of(folder, to));
    return io::rename_at(at->get(), from, to);
  }

  Result<void> rename_if_free(const TargetFolderPtr& folder, const std::string& from,
                              const std::string& to) override {
    return io::rename_if_free_at(TRY(handle_of(folder, to))->get(), from, to);
  }

  Result<void> remove_empty_folder(const TargetFolderPtr& folder,
                                   const std::string& name) override {
    return io::remove_empty_folder_at(TRY(handle_of(folder, name))->get(), name);
  }

  Result<void> remove(const TargetFolderPtr& folder, const std::string& name) override {
    return io::remove_tree_at(TRY(handle_of(folder, name))->get(), name);
  }

 private:
  static Error not_regular(const std::string& name) {
    return {ErrorCode::kConflict, io::quoted(name) + " is not a regular file"};
  }
  static Error of_other_type(const std::string& name) {
    return {ErrorCode::kConflict, io::quoted(name) + " was replaced by something of another type"};
  }

  static Result<FolderHandle> handle_of(const TargetFolderPtr& folder, const std::string& name) {
    ASSERT(folder != nullptr);
    TRY(io::validate_name(name));
    return folder->handle();
  }

  static Result<io::OpenNode> open_folder(int at, const std::string& name) {
    Result<io::OpenNode> opened = io::open_folder_to_walk(at, name.c_str(), io::FolderUse::kList);
    if (failed_with(opened, ErrorCode::kPermissionDenied) && TRY(io::allow_owner_at(at, name))) {
      opened = io::open_folder_to_walk(at, name.c_str(), io::FolderUse::kList);
    }
    return opened;
  }

  // A folder that was there before may be closed to its own owner, or protected even from root. Its
  // attributes are set when everything inside is done. Where nothing helps, the first write inside
  // fails and says so.
  static Result<void> make_usable(int at, const std::string& name, int fd) {
    static_cast<void>(io::clear_protection(fd));
    if (!io::may_write_in(fd)) TRY(io::allow_owner_at(at, name));
    return {};
  }

  static Result<io::Fd> make_file(int at, const std::string& name) {
    return make_in_place(at, name, [&] { return io::create_regular_at(at, name, 0600); });
  }

  // The existing file itself when this is its only name and it can be written, otherwise a copy in
  // its place.
  static Result<io::Fd> open_kept(int at, const std::string& name, std::uint64_t size_bytes) {
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const std::optional<io::FileStatus> status = TRY(io::find_at(at, name));
      if (!status) return make_file(at, name);
      if (status->links > 1) break;
      Result<io::Fd> fd = io::open_for_change_at(at, name);
      if (fd) {
        // Nobody may have linked it, or exchanged it for a file with other names, in between.
        if (TRY(io::full_status_of(fd->get())).links == 1) return fd;
        break;
      }
      if (failed_with(fd, ErrorCode::kConflict)) break;  // it is being executed
      if (!failed_with(fd, ErrorCode::kPermissionDenied)) return fd;
      if (!TRY(let_in(at, name))) return std::unexpected(with_owner_hint(std::move(fd).error()));
    }
    return copy_in_place(at, name, size_bytes);
  }

  // Opens the way to a file with a single name. True when something changed.
  static Result<bool> let_in(int at, const std::string& name) {
    if (TRY(io::allow_owner_at(at, name))) return true;
    const io::OpenNode file = TRY(io::open_file_to_read(at, name.c_str()));
    const Result<bool> cleared = io::clear_protection(file.fd.get());
    return cleared.has_value() && *cleared;
  }

  // The other names keep the old inode and its bytes.
  static Result<io::Fd> copy_in_place(int at, const std::string& name, std::uint64_t size_bytes) {
    const io::OpenNode old =
        TRY_DOING("opening " + io::quoted(name), io::open_file_to_read(at, name.c_str()));
    io::Fd fresh = TRY(make_file(at, name));
    const std::uint64_t length = std::min(old.status.size, size_bytes);
    TRY(io::set_size(fresh.get(), length));
    TRY_DOING("copying " + io::quoted(name), copy_data(old.fd.get(), fresh.get(), length));
    return fresh;
  }

  // Replaces a name of an inode that has names this restore does not know of by an inode of its
  // own.
  Result<void> give_own_inode(int at, const std::string& name, const io::FileStatus& status,
                              const Entry& entry) {
    if (links_.count(status) > 1) {
      return fail(ErrorCode::kConflict,
                  io::quoted(name) + " has hard links that this restore did not make");
    }
    if (status.kind == io::FileKind::kRegular) {
      TRY(copy_in_place(at, name, status.size));
      return {};
    }
    TRY(io::remove_non_folder_at(at, name));
    if (status.kind == io::FileKind::kSymlink) {
      return io::make_symlink_at(at, name, entry.symlink_target);
    }
    return io::make_special_at(at, name, status.kind, entry.special_device);
  }

  Result<AttributeReport> apply_by_name(int at, const std::string& name,
                                        const io::FileStatus& status, const Entry& entry) {
    const bool can_open =
        status.kind == io::FileKind::kDirectory || status.kind == io::FileKind::kRegular;
    io::NodeRef node;
    io::Fd fd;
    if (can_open) fd = TRY(open_if_allowed(at, name, status.kind));
    if (!fd) {
      fd = TRY(io::open_node_at(at, name));
      node.access = io::NodeAccess::kPathOnly;
    }
    node.fd = fd.get();
    const io::FileStatus now = TRY(io::full_status_of(node.fd));
    if (!now.same_file(status)) return std::unexpected(of_other_type(name));
    return apply_attributes(node, now, entry, options_);
  }

  // No descriptor when this user may not read it.
  static Result<io::Fd> open_if_allowed(int at, const std::string& name, io::FileKind kind) {
    const auto open = [&] {
      return kind == io::FileKind::kDirectory
                 ? io::open_folder_to_walk(at, name.c_str(), io::FolderUse::kList)
                 : io::open_file_to_read(at, name.c_str());
    };
    Result<io::OpenNode> opened = open();
    if (failed_with(opened, ErrorCode::kPermissionDenied)) {
      const Result<bool> allowed = io::allow_owner_at(at, name);
      if (!allowed || !*allowed) return io::Fd();
      opened = open();
    }
    if (failed_with(opened, ErrorCode::kPermissionDenied)) return io::Fd();
    return TRY_DOING("opening " + io::quoted(name), std::move(opened)).fd;
  }

  // An immutable file can have no new name until it is mutable for a moment.
  static Result<void> link_unprotected(int from, const std::string& from_name, int at,
                                       const std::string& name) {
    Result<void> linked = io::link_at(from, from_name, at, name);
    if (!failed_with(linked, ErrorCode::kPermissionDenied)) return linked;
    const std::optional<io::FileStatus> source = TRY(io::find_at(from, from_name));
    if (!source || source->kind != io::FileKind::kRegular) return linked;
    const Result<io::OpenNode> file = io::open_file_to_read(from, from_name.c_str());
    if (!file) return linked;
    const std::uint32_t flags = TRY(io::inode_flags(file->fd.get()));
    const Result<bool> cleared = io::clear_protection(file->fd.get());
    if (!cleared || !*cleared) return linked;
    linked = io::link_at(from, from_name, at, name);
    TRY(io::set_inode_flags(file->fd.get(), flags));
    return linked;
  }

  static Result<Entry> read_entry(int at, const std::string& name, const io::FileStatus& status) {
    Entry entry =
        TRY_DOING("looking at " + io::quoted(name), entry_from_status(status, AccessTimes::kDrop));
    io::XattrReader xattrs;
    std::vector<io::NamedValue> values;
    io::Fd fd;
    if (status.kind == io::FileKind::kDirectory || status.kind == io::FileKind::kRegular) {
      fd = TRY(open_readable(at, name, status.kind));
    }
    if (fd) {
      TRY(xattrs.read(fd.get(), values));
      const io::InodeAttributes more = TRY(io::inode_attributes_of(fd.get()));
      entry.inode_flags = more.flags;
      entry.project_id = more.project_id;
    } else {
      // What cannot be read here is compared as if it were not there, and so is set again.
      static_cast<void>(xattrs.read_at(at, name.c_str(), values));
    }
    set_xattrs(values, entry);
    if (status.kind == io::FileKind::kSymlink) {
      entry.symlink_target = TRY(io::read_link_at(at, name.c_str()));
    }
    return entry;
  }

  // As open_if_allowed, but changes nothing.
  static Result<io::Fd> open_readable(int at, const std::string& name, io::FileKind kind) {
    Result<io::OpenNode> opened =
        kind == io::FileKind::kDirectory
            ? io::open_folder_to_walk(at, name.c_str(), io::FolderUse::kList)
            : io::open_file_to_read(at, name.c_str());
    if (failed_with(opened, ErrorCode::kPermissionDenied)) return io::Fd();
    return TRY_DOING("looking at " + io::quoted(name), std::move(opened)).fd;
  }

  Options options_;
  TargetFolderPtr root_;
  KnownLinks links_;
};

}  // namespace

Result<std::unique_ptr<TargetTree>> TargetTree::open(const std::string& path, Options options) {
  const auto open_root = [&]() -> Result<io::Fd> {
    TRY(io::make_directories(path, 0700));
    return io::open_folder_path(path);
  };
  Result<io::Fd> root = open_root();
  if (!root) {
    return std::unexpected(
        with_target_hint(std::move(root).error().with_context("opening the target"), path));
  }
  return std::make_unique<FolderTarget>(*std::move(root), std::move(options));
}

}  // namespace backstay::source
