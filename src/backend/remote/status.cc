#include "backend/remote/status.h"

#include <algorithm>

namespace backstay::backend::remote {
namespace {

constexpr StatusMeaning kEverywhere[] = {
    {.status = 401, .code = ErrorCode::kPermissionDenied},
    {.status = 403, .code = ErrorCode::kPermissionDenied},
    {.status = 404, .code = ErrorCode::kNotFound},
    {.status = 405, .code = ErrorCode::kUnsupported},
    {.status = 408, .code = ErrorCode::kUnavailable},
    {.status = 416, .code = ErrorCode::kCorruption},
    {.status = 429, .code = ErrorCode::kUnavailable},
    {.status = 501, .code = ErrorCode::kUnsupported},
    {.status = 507, .code = ErrorCode::kNoSpace},
};

}  // namespace

ErrorCode code_of_status(int status, std::span<const StatusMeaning> own) {
  const std::span<const StatusMeaning> everywhere(kEverywhere);
  for (const auto table : {own, everywhere}) {
    const auto found = std::ranges::find(table, status, &StatusMeaning::status);
    if (found != table.end()) return found->code;
  }
  return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument;
}

Error with_pause(Error error, const http::Response& response) {
  std::uint32_t pause = response.retry_after_ms();
  // It wants to be asked less, and does not say for how long.
  if (pause == 0 && (response.status == 429 || response.status == 503)) pause = 1;
  if (!error.retryable() || pause == 0) return error;
  return std::move(error).with_retry_after(pause);
}

}  // namespace backstay::backend::remote
