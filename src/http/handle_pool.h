// libcurl's handles, each with the connection that it used last.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "http/curl_library.h"

namespace backstay::http {

// The one that came back last goes out first, so that a thread that calls alone has one connection.
class HandlePool {
 public:
  explicit HandlePool(std::size_t most);
  ~HandlePool();
  HandlePool(const HandlePool&) = delete;
  HandlePool& operator=(const HandlePool&) = delete;

  // Waits for one to come back where all are lent.
  Result<CURL*> take(const CurlLibrary& curl) EXCLUDES(mutex_);
  void give_back(CURL* handle) EXCLUDES(mutex_);

  [[nodiscard]] std::uint64_t connections() const { return connections_; }

 private:
  const std::size_t most_;
  Mutex mutex_;
  CondVar came_back_;
  std::vector<CURL*> idle_ GUARDED_BY(mutex_);
  std::size_t made_ GUARDED_BY(mutex_) = 0;
  const CurlLibrary* curl_ = nullptr;  // set before the first handle is made
  std::atomic<std::uint64_t> connections_ = 0;
};

}  // namespace backstay::http
