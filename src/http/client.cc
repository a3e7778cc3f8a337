#include "http/client.h"

#include <algorithm>
#include <charconv>

#include "base/try.h"
#include "http/curl_library.h"
#include "http/handle_pool.h"
#include "http/transfer.h"

namespace backstay::http {

std::optional<std::string_view> Response::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Header::name);
  if (found == headers.end()) return std::nullopt;
  return found->value;
}

std::uint32_t Response::retry_after_ms() const {
  constexpr std::uint32_t kPauseMaxSeconds = 600;
  const std::string_view text = header("retry-after").value_or("");
  std::uint32_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::min(seconds, kPauseMaxSeconds) * 1000;
}

class Client::Pool final : public HandlePool {
 public:
  using HandlePool::HandlePool;
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
