#include "http/handle_pool.h"

#include <algorithm>

namespace backstay::http {

HandlePool::HandlePool(std::size_t most) : most_(std::max<std::size_t>(most, 1)) {}

HandlePool::~HandlePool() {
  for (CURL* const handle : idle_) curl_->easy_cleanup(handle);
}

Result<CURL*> HandlePool::take(const CurlLibrary& curl) {
  const MutexLock lock(mutex_);
  if (curl_ == nullptr) curl_ = &curl;  // give_back() reads it without the lock
  while (idle_.empty() && made_ == most_) came_back_.wait(mutex_);
  if (idle_.empty()) {
    CURL* const handle = curl.easy_init();
    if (handle == nullptr) return fail(ErrorCode::kUnavailable, "there is no memory for a call");
    ++made_;
    return handle;
  }
  CURL* const handle = idle_.back();
  idle_.pop_back();
  return handle;
}

void HandlePool::give_back(CURL* handle) {
  long opened = 0;
  curl_->easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &opened);
  connections_ += static_cast<std::uint64_t>(opened);
  const MutexLock lock(mutex_);
  idle_.push_back(handle);
  came_back_.notify_one();
}

}  // namespace backstay::http
