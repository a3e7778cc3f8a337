#include "backend/descriptor_cache.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::backend {

Result<std::shared_ptr<const DescriptorCache::OpenObject>> DescriptorCache::open(
    const std::string& path) {
  if (std::shared_ptr<const OpenObject> known = find(path)) return known;
  auto object = std::make_shared<OpenObject>();
  object->fd = TRY(io::open_file(path, io::OpenMode::kReadObject));
  object->size = TRY_DOING("opening " + path, io::open_file_info(object->fd.get())).size;
  remember(path, object);
  return object;
}

void DescriptorCache::forget(const std::string& path) {
  const MutexLock lock(mutex_);
  std::erase_if(items_, [&](const Item& item) { return item.path == path; });
}

std::shared_ptr<const DescriptorCache::OpenObject> DescriptorCache::find(const std::string& path) {
  const MutexLock lock(mutex_);
  const auto found =
      std::find_if(items_.begin(), items_.end(), [&](const Item& i) { return i.path == path; });
  if (found == items_.end()) return nullptr;
  std::rotate(found, found + 1, items_.end());
  return items_.back().object;
}

void DescriptorCache::remember(const std::string& path, std::shared_ptr<const OpenObject> object) {
  const MutexLock lock(mutex_);
  // Another thread may have been faster.
  std::erase_if(items_, [&](const Item& item) { return item.path == path; });
  if (items_.size() >= limit_) items_.erase(items_.begin());
  items_.push_back({path, std::move(object)});
}

}  // namespace backstay::backend
