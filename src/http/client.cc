#include "http/client.h"

#include <algorithm>
#include <atomic>

#include "base/mutex.h"
#include "base/try.h"
#include "http/curl_library.h"
#include "http/transfer.h"

namespace backstay::http {

std::optional<std::string_view> Response::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Header::name);
  if (found == headers.end()) return std::nullopt;
  return found->value;
}

// Handles, each with the connection that it used last. The one that came back last goes out first,
// so that a thread that calls alone has one connection.
class Client::Pool {
 public:
  explicit Pool(std::size_t most) : most_(std::max<std::size_t>(most, 1)) {}
  ~Pool() {
    for (CURL* const handle : idle_) curl_->easy_cleanup(handle);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Result<CURL*> take(const CurlLibrary& curl) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    curl_ = &curl;
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

  void give_back(CURL* handle) EXCLUDES(mutex_) {
    long opened = 0;
    curl_->easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &opened);
    connections_ += static_cast<std::uint64_t>(opened);
    const MutexLock lock(mutex_);
    idle_.push_back(handle);
    came_back_.notify_one();
  }

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

Client::Client(ClientOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>(options_.connections_max)) {}

Client::~Client() = default;

Result<Response> Client::call(const Request& request) {
  if (options_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "it was cancelled");
  const CurlLibrary& curl = *TRY(curl_library());
  CURL* const handle = TRY(pool_->take(curl));
  Result<Response> response = Transfer(curl, handle, options_, request).run();
  pool_->give_back(handle);
  return response;
}

std::uint64_t Client::connections_made() const {
  return pool_->connections();
}

}  // namespace backstay::http
