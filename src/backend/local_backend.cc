#include "backend/local_backend.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "backend/folder_layout.h"
#include "backend/local_retention.h"
#include "base/try.h"
#include "io/file.h"
#include "io/unnamed_file.h"

namespace backstay::backend {
namespace {

// What systems say of blocks that cannot be read, or whose checksum is wrong.
constexpr std::array kMediumErrors{EIO, EUCLEAN, EBADMSG, ENODATA, EILSEQ};

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// Empty for the root itself.
std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return path.substr(0, slash == 0 && path.size() > 1 ? 1 : slash);
}

// Packs of data are read again by a restore or a check only: there they need not push out what
// others have in the page cache.
io::Durability durability_of(std::string_view name, std::span<const ByteView> pieces) {
  constexpr std::size_t kUncachedFrom = 1024 * 1024;
  std::size_t total = 0;
  for (const ByteView piece : pieces) total += piece.size();
  const bool large_pack = name.starts_with("data/") && total >= kUncachedFrom;
  return large_pack ? io::Durability::kSyncedUncached : io::Durability::kSynced;
}

// Nobody else would ever take them away. Failures are no matter: the repository may be read-only.
void remove_leftovers(const std::string& root) {
  const auto names = io::list_directory(root);
  if (!names) return;
  std::optional<Timestamp> now;
  for (const std::string& name : *names) {
    if (!name.starts_with(io::kTemporaryPrefix)) continue;
    const std::string path = root + "/" + name;
    const auto info = io::file_info(path, io::Links::kStay);
    if (!info || !info->is_regular) continue;
    if (!now) {
      const auto time = io::file_system_time(root);
      if (!time) return;
      now = *time;
    }
    if (now->seconds - info->modified.seconds <= kLeftoverAgeSeconds) continue;
    static_cast<void>(io::remove_file(path).has_value());
  }
}

}  // namespace

Result<std::unique_ptr<LocalBackend>> LocalBackend::open(std::string root, Leftovers leftovers) {
  root = without_trailing_slashes(std::move(root));
  const auto info = io::file_info(root);
  const bool missing = !info && info.error().code() == ErrorCode::kNotFound;
  if (!info && !missing) return std::unexpected(info.error().clone());
  if (missing || !info->is_directory) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("there is no folder {}", root))
            .with_hint("Check the path and that its disk is mounted, or create a repository there "
                       "with backstay init."));
  }
  if (leftovers == Leftovers::kGo) remove_leftovers(root);
  return std::unique_ptr<LocalBackend>(new LocalBackend(std::move(root)));
}

LocalBackend::LocalBackend(std::string root)
    : root_(std::move(root)), keeps_attributes_(keeps_attributes(root_)) {}

Result<std::unique_ptr<LocalBackend>> LocalBackend::create(std::string root) {
  root = without_trailing_slashes(std::move(root));
  std::set<std::string> above;
  std::string_view missing = root;
  while (!missing.empty() && !io::file_info(std::string(missing))) {
    missing = parent_of(missing);
    above.emplace(missing.empty() ? "." : missing);
  }
  TRY(io::make_directories(root));
  std::unique_ptr<LocalBackend> backend = TRY(open(std::move(root)));
  const MutexLock lock(backend->mutex_);
  backend->unsynced_folders_ = std::move(above);
  return backend;
}

std::string LocalBackend::path_of(std::string_view name) const {
  return fmt::format("{}/{}", root_, name);
}

Result<void> LocalBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  TRY(validate_name(name));
  const io::Durability durability = durability_of(name, pieces);
  return create(name, [&](const std::string& path) {
    return io::create_file(path, pieces, durability, root_);
  });
}

Result<void> LocalBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  TRY(validate_name(name));
  return create(name, [&](const std::string& path) {
    return io::create_file(path, bytes, io::Durability::kSynced, root_);
  });
}

Result<void> LocalBackend::put_file(std::string_view name, int file) {
  TRY(validate_name(name));
  // A missing folder looks like a file system that cannot do it.
  if (!io::file_info(path_of(parent_of(name)))) TRY(make_folders_for(name));
  TRY_DOING(fmt::format("syncing {}", name), io::sync_file(file));
  return create(name, [&](const std::string& path) -> Result<void> {
    TRY_DOING("creating " + path, io::name_unnamed(file, AT_FDCWD, path));
    return {};
  });
}

template <typename CreateFile>
Result<void> LocalBackend::create(std::string_view name, const CreateFile& create_file) {
  const std::string path = path_of(name);
  Result<void> created = create_file(path);
  if (!created && created.error().code() == ErrorCode::kNotFound) {
    TRY(make_folders_for(name));
    created = create_file(path);
  }
  if (!created) return created;
  touch_folder_of(name);
  keep_if_append_only(name);
  return {};
}

// Never the root: where that is gone, a disk is not mounted.
Result<void> LocalBackend::make_folders_for(std::string_view name) {
  TRY(io::file_info(root_));
  const std::string_view folder = parent_of(name);
  if (folder.empty()) return {};
  return io::make_directories(path_of(folder));
}

void LocalBackend::touch_folder_of(std::string_view name) {
  const std::string_view folder = parent_of(name);
  const MutexLock lock(mutex_);
  unsynced_folders_.insert(folder.empty() ? root_ : path_of(folder));
  if (!known_folders_.emplace(folder).second) return;
  // This or another process may have made the folder a moment ago: its own name must last, too.
  for (std::string_view above = folder; !above.empty();) {
    above = parent_of(above);
    unsynced_folders_.insert(above.empty() ? root_ : path_of(above));
  }
}

Result<void> LocalBackend::adopt(std::string_view name) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  const io::Fd fd = TRY(io::open_file(path, io::OpenMode::kReadObject));
  TRY_DOING("syncing " + path, io::sync_file(fd.get()));
  touch_folder_of(name);
  return {};
}

Result<void> LocalBackend::adopt_names(std::string_view prefix) {
  TRY(validate_prefix(prefix));
  const std::string folder = prefix.empty() ? root_ : path_of(prefix.substr(0, prefix.size() - 1));
  const auto info = io::file_info(folder);
  if (!info && info.error().code() == ErrorCode::kNotFound) return {};
  if (!info) return std::unexpected(info.error().clone());
  if (!info->is_directory) return {};
  const MutexLock lock(mutex_);
  unsynced_folders_.insert(folder);
  return {};
}

// One barrier at a time: a second one must not find the list empty and return while the first still
// syncs what is on it.
Result<void> LocalBackend::barrier() {
  std::set<std::string> folders = TRY(begin_barrier());
  bool attributes = false;
  {
    const MutexLock lock(mutex_);
    attributes = std::exchange(attributes_unsynced_, false);
  }
  Result<void> synced;
  if (attributes) synced = io::sync_file_system(root_);
  for (const std::string& folder : folders) {
    if (!synced) break;
    synced = io::sync_directory(folder);
  }
  end_barrier(synced);
  return synced;
}

Result<std::set<std::string>> LocalBackend::begin_barrier() {
  const MutexLock lock(mutex_);
  while (in_barrier_) barrier_ended_.wait(mutex_);
  if (sync_failure_) return std::unexpected(sync_failure_->clone());
  in_barrier_ = true;
  return std::exchange(unsynced_folders_, {});
}

// Kernels tell of a failed sync once and take the pages for clean afterwards. A second try would
// succeed without reason, so a failure stays for the life of this backend; a folder that is gone
// counts as one, because the disk may have been away and may come back without what it had last.
void LocalBackend::end_barrier(const Result<void>& synced) {
  const MutexLock lock(mutex_);
  in_barrier_ = false;
  if (!synced) sync_failure_ = synced.error().clone();
  barrier_ended_.notify_all();
}

// Whether the disk is there at all: the config is asked for past the cache.
bool LocalBackend::answers() const {
  const auto fd = io::open_file(path_of("config"), io::OpenMode::kReadObject);
  if (!fd) return false;
  io::forget_cached(fd->get());
  std::array<std::uint8_t, 1> byte{};
  return io::pread_full(fd->get(), byte, 0).has_value();
}

// A bad sector is damage of one object; a disk that was pulled out is a store that does not answer.
Error LocalBackend::judge_read(Error error) const {
  const bool bad_medium =
      std::ranges::find(kMediumErrors, error.system_error()) != kMediumErrors.end();
  if (bad_medium && answers()) return {ErrorCode::kCorruption, error.describe()};
  return judge_access(std::move(error));
}

// Where all of the repository is closed to this user, whoever opens it says so.
Error LocalBackend::judge_access(Error error) const {
  if (error.code() != ErrorCode::kPermissionDenied || !answers()) return error;
  return std::move(error).with_hint(fmt::format(
      "A run as another user may have made it: give all of {} back to the user of this repository, "
      "for example with chown -R as root.",
      root_));
}

Result<Bytes> LocalBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  const auto read = [&]() -> Result<Bytes> {
    const io::Fd fd = TRY(io::open_file(path, io::OpenMode::kReadObject));
    return TRY_DOING("reading " + path, io::read_open_file(fd.get(), size_max));
  };
  auto bytes = read();
  if (!bytes) return std::unexpected(judge_read(std::move(bytes).error()));
  return bytes;
}

Result<void> LocalBackend::get_range(std::string_view name, std::uint64_t offset,
                                     MutableByteView out) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  auto object = descriptors_.open(path);
  if (!object) return std::unexpected(judge_read(std::move(object).error()));
  const std::uint64_t size = (*object)->size;
  Result<std::size_t> got = 0;
  const bool inside = offset <= size && out.size() <= size - offset;
  if (inside) got = io::pread_full((*object)->fd.get(), out, offset);
  if (!got)
    return std::unexpected(judge_read(std::move(got).error().with_context("reading " + path)));
  if (inside && *got == out.size()) return {};
  return fail(ErrorCode::kCorruption,
              fmt::format("reading {}: it ends at {}, before {} + {} bytes", path,
                          inside ? offset + *got : size, offset, out.size()));
}

Result<ObjectInfo> LocalBackend::head(std::string_view name) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  const io::FileInfo info = TRY(io::file_info(path, io::Links::kStay));
  if (!info.is_regular) {
    return fail(ErrorCode::kNotFound, fmt::format("{} is not a regular file", path));
  }
  return ObjectInfo{std::string(name), info.size, info.modified};
}

Result<void> LocalBackend::list(std::string_view prefix,
                                const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  TRY(io::file_info(root_));
  std::vector<std::string> folders{std::string(prefix)};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    TRY(list_folder(folder, folders, each));
  }
  return {};
}

// `folder` is empty or ends in '/'.
Result<void> LocalBackend::list_folder(
    const std::string& folder, std::vector<std::string>& folders_below,
    const std::function<Result<void>(const ObjectInfo&)>& each) const {
  const auto names = io::list_directory(path_of(folder));
  if (!names) {
    if (names.error().code() == ErrorCode::kNotFound) return {};
    return std::unexpected(judge_access(names.error().clone()));
  }
  for (const std::string& last : *names) {
    const std::string name = folder + last;
    if (!validate_name(name)) continue;
    const auto info = io::file_info(path_of(name), io::Links::kStay);
    if (!info) {
      if (info.error().code() == ErrorCode::kNotFound) continue;
      return std::unexpected(judge_access(info.error().clone()));
    }
    if (info->is_directory) folders_below.push_back(name + "/");
    if (info->is_regular) TRY(each({name, info->size, info->modified}));
  }
  return {};
}

Result<void> LocalBackend::remove(std::string_view name) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  const auto info = io::file_info(path, io::Links::kStay);
  // A folder is no object, so there is nothing of that name.
  if (info && info->is_directory) return {};
  if (info) TRY(allow_removal(name, path));
  TRY(io::remove_file(path));
  descriptors_.forget(path);
  if (info) touch_folder_of(name);
  return {};
}

Result<Timestamp> LocalBackend::store_time() {
  Result<Timestamp> time = io::file_system_time(root_);
  // Of a read-only disk nobody needs the age of leases to the second.
  if (!time && time.error().code() == ErrorCode::kPermissionDenied) return SystemClock().now();
  return time;
}

Result<Space> LocalBackend::space() {
  return Space{.total_bytes = TRY(io::total_bytes(root_)),
               .free_bytes = TRY(io::free_bytes(root_))};
}

Capabilities LocalBackend::capabilities() const {
  return {.conditional_create = true,
          .lists_at_once = true,
          .server_time = true,
          .object_bytes_max = 0,
          .object_lock = keeps_attributes_,
          .lock_by_store = keeps_attributes_ && makes_immutable(),
          .append_only = is_append_only()};
}

}  // namespace backstay::backend
