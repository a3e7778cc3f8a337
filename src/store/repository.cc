#include "store/repository.h"

#include <fmt/format.h>

#include <vector>

#include "backend/served/protocol.h"
#include "base/byte_size.h"
#include "base/try.h"
#include "io/file.h"
#include "io/node.h"

namespace backstay::store {
namespace {

// Repositories that nobody uses are closed beyond so many.
constexpr std::size_t kOpenMax = 64;

std::unexpected<Error> within(std::string_view inner, std::string_view outer) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} would lie within the repository {}", inner, outer));
}

}  // namespace

backend::Capabilities Repository::capabilities() const {
  backend::Capabilities can = backend_->capabilities();
  can.append_only = can.append_only || rules_.append_only;
  // Clients reach the files through this program only.
  can.lock_by_store = can.object_lock;
  return can;
}

// Who had the repository open before, and did not come to a barrier, left behind what nobody knows
// of any more: the first barrier of this one is for the whole file system.
Result<void> Repository::barrier() {
  {
    const MutexLock lock(first_barrier_);
    // A second try of a sync that failed would succeed without reason.
    if (unsettled_) return std::unexpected(unsettled_->clone());
    if (!settled_) {
      TRY(io::open_folder_path(root()));
      const auto synced = io::sync_file_system(root());
      if (!synced) unsettled_ = synced.error().clone();
      if (!synced) return std::unexpected(synced.error().clone());
    }
    settled_ = true;
  }
  return backend_->barrier();
}

Result<void> Repository::count() {
  {
    const MutexLock lock(mutex_);
    if (counted_) return {};
  }
  std::uint64_t sum = 0;
  TRY(backend_->list("", [&](const backend::ObjectInfo& info) -> Result<void> {
    sum += info.size_bytes;
    return {};
  }));
  const MutexLock lock(mutex_);
  if (!counted_) used_ += sum;
  counted_ = true;
  return {};
}

std::shared_ptr<Repository::Upload> Repository::upload(const std::string& name) {
  const MutexLock lock(mutex_);
  std::erase_if(uploads_, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<Upload>& slot = uploads_[name];
  std::shared_ptr<Upload> there = slot.lock();
  if (there == nullptr) slot = there = std::make_shared<Upload>();
  return there;
}

Result<std::uint64_t> Repository::used() {
  TRY(count());
  const MutexLock lock(mutex_);
  return used_;
}

Result<Repository::Room> Repository::make_room(std::uint64_t size) {
  if (rules_.quota_bytes == 0) return Room(*this, 0);
  TRY(count());
  const MutexLock lock(mutex_);
  const bool fits = used_ <= rules_.quota_bytes && size <= rules_.quota_bytes - used_;
  if (!fits) {
    return std::unexpected(
        Error(ErrorCode::kNoSpace,
              fmt::format("the quota of {} is full: {} of {} are used, and {} more would come",
                          name_, format_byte_size(used_), format_byte_size(rules_.quota_bytes),
                          format_byte_size(size)))
            .with_hint("Forget and prune, or have the quota of the store server raised."));
  }
  used_ += size;
  return Room(*this, size);
}

Repository::Room::~Room() {
  if (repository_ == nullptr) return;
  const MutexLock lock(repository_->mutex_);
  repository_->used_ -= size_;
}

void Repository::Room::stored() {
  repository_ = nullptr;
}

Result<void> Repository::remove(std::string_view name) {
  std::uint64_t size = 0;
  if (rules_.quota_bytes > 0) {
    TRY(count());
    const auto info = backend_->head(name);
    if (info) size = info->size_bytes;
  }
  TRY(backend_->remove(name));
  const MutexLock lock(mutex_);
  used_ -= std::min(used_, size);
  return {};
}

Result<std::shared_ptr<Repository>> Repositories::open(std::string_view name) {
  return find(name, Making::kNo);
}

Result<std::shared_ptr<Repository>> Repositories::create(std::string_view name) {
  return find(name, Making::kYes);
}

// Who may write objects of one repository must not reach those of another by them, so that none
// lies within another.
Result<void> Repositories::check_stands_alone(std::string_view name) {
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1)) {
    if (has_config(name.substr(0, slash))) return within(name, name.substr(0, slash));
  }
  {
    const MutexLock lock(mutex_);
    for (const auto& [other, repository] : open_) {
      if (name.starts_with(other + "/")) return within(name, other);
      if (other.starts_with(std::string(name) + "/")) return within(other, name);
    }
  }
  if (has_config(name)) return {};
  return check_holds_none(name);
}

bool Repositories::has_config(std::string_view name) const {
  return io::file_info(fmt::format("{}/{}/config", folder_, name)).has_value();
}

// Where no repository is yet, there may be some below.
Result<void> Repositories::check_holds_none(std::string_view name) const {
  std::vector<std::string> folders{std::string(name)};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    const auto names = io::list_directory(fmt::format("{}/{}", folder_, folder));
    if (!names && names.error().code() == ErrorCode::kNotFound) continue;
    if (!names) return std::unexpected(names.error().clone());
    for (const std::string& one : *names) {
      const std::string below = folder + "/" + one;
      const auto info = io::file_info(fmt::format("{}/{}", folder_, below), io::Links::kStay);
      if (!info || !info->is_directory) continue;
      if (has_config(below)) return within(below, name);
      folders.push_back(below);
    }
  }
  return {};
}

Result<std::shared_ptr<Repository>> Repositories::find(std::string_view name, Making making) {
  TRY(backend::served::validate_repository(name));
  const std::string path = fmt::format("{}/{}", folder_, name);
  const auto info = io::file_info(path);
  const bool there = info && info->is_directory;
  if (there) {
    const MutexLock lock(mutex_);
    const auto found = open_.find(name);
    if (found != open_.end()) return found->second;
  }
  TRY(check_stands_alone(name));
  if (!there && making == Making::kNo) {
    return std::unexpected(
        Error(ErrorCode::kNoRepository, fmt::format("there is no repository {}", name))
            .with_hint("'backstay init' makes one."));
  }
  auto opened = making == Making::kYes ? backend::LocalBackend::create(path)
                                       : backend::LocalBackend::open(path);
  std::unique_ptr<backend::LocalBackend> backend = TRY(std::move(opened));
  if (making == Making::kYes) TRY(backend->barrier());
  const MutexLock lock(mutex_);
  if (open_.size() >= kOpenMax) {
    std::erase_if(open_, [](const auto& one) { return one.second.use_count() == 1; });
  }
  auto& slot = open_[std::string(name)];
  // Another thread may have been quicker: there is one of each, because barriers and quotas are
  // counted in it.
  if (slot == nullptr) {
    slot = std::make_shared<Repository>(std::string(name), std::move(backend), rules_);
  }
  return slot;
}

}  // namespace backstay::store
