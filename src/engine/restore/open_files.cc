#include "engine/restore/open_files.h"

#include "base/try.h"
#include "engine/restore/file_job.h"
#include "engine/restore/leftovers.h"

namespace backstay::engine::restoring {
namespace {

// Smaller files stay in the page cache, where whoever wanted them back finds them.
constexpr std::uint64_t kPastPageCacheFrom = std::uint64_t{64} << 20;

// A file that keeps bytes of an older one changes little.
bool goes_past_page_cache(const FileJob& job) {
  return !job.has_old_bytes && job.entry.size_bytes >= kPastPageCacheFrom;
}

}  // namespace

Result<FileHandle> OpenFiles::get(const FileJob& job) {
  {
    const MutexLock lock(mutex_);
    const auto place = places_.find(&job);
    if (place != places_.end()) {
      recent_.splice(recent_.begin(), recent_, place->second);
      return place->second->second;
    }
  }
  io::Fd file = TRY(job.folder->site().target->open_for_write(
      job.folder->folder(), job.name_now(), job.entry.size_bytes,
      source::TargetTree::Existing::kKeepBytes));
  static_cast<void>(hold_as_written(file.get()));  // as long as it stays open
  return keep(job, std::move(file));
}

FileHandle OpenFiles::keep(const FileJob& job, io::Fd fd) {
  auto handle = std::make_shared<OpenFile>();
  handle->fd = std::move(fd);
  if (goes_past_page_cache(job)) handle->direct.emplace(handle->fd.get());
  Recent evicted;  // destroyed, and so closed, after the lock is gone
  const MutexLock lock(mutex_);
  const auto place = places_.find(&job);
  if (place != places_.end()) return place->second->second;
  recent_.emplace_front(&job, handle);
  places_.emplace(&job, recent_.begin());
  while (recent_.size() > open_max_ && recent_.size() > 1) {
    places_.erase(recent_.back().first);
    evicted.splice(evicted.begin(), recent_, std::prev(recent_.end()));
  }
  return handle;
}

void OpenFiles::forget(const FileJob& job) {
  Recent evicted;
  const MutexLock lock(mutex_);
  const auto place = places_.find(&job);
  if (place == places_.end()) return;
  evicted.splice(evicted.begin(), recent_, place->second);
  places_.erase(place);
}

}  // namespace backstay::engine::restoring
