#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace backstay {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kNoRepository:
      return "no_repository";
    case ErrorCode::kAlreadyExists:
      return "already_exists";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kPermissionDenied:
      return "permission_denied";
    case ErrorCode::kWrongKey:
      return "wrong_key";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

Error::Error(ErrorCode code, std::string message, std::source_location where)
    : state_(std::make_unique<State>(State{code, std::move(message), {}, {}, where, 0, 0})) {}

Error&& Error::with_context(std::string doing) && {
  state_->context.push_back(std::move(doing));
  return std::move(*this);
}

Error&& Error::with_system_error(int error_number) && {
  state_->system_error = error_number;
  return std::move(*this);
}

Error&& Error::with_retry_after(std::uint32_t pause_ms) && {
  state_->retry_after_ms = pause_ms;
  return std::move(*this);
}

Error&& Error::with_hint(std::string hint) && {
  if (state_->hint.empty()) state_->hint = std::move(hint);
  return std::move(*this);
}

std::string Error::describe() const {
  std::string out;
  for (auto it = state_->context.rbegin(); it != state_->context.rend(); ++it) out += *it + ": ";
  return out + state_->message;
}

Error Error::clone() const {
  Error copy(code(), message(), where());
  *copy.state_ = *state_;
  return copy;
}

std::unexpected<Error> fail(ErrorCode code, std::string message, std::source_location where) {
  return std::unexpected(Error(code, std::move(message), where));
}

static ErrorCode code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kNoSpace;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
    case ENOTEMPTY:
      return ErrorCode::kInvalidArgument;
    case EOPNOTSUPP:
    case ENOSYS:
    case EXDEV:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kUnavailable;
  }
}

std::unexpected<Error> fail_errno(int error_number, std::string what, std::source_location where) {
  what += ": " + std::generic_category().message(error_number);
  return std::unexpected(
      Error(code_of_errno(error_number), std::move(what), where).with_system_error(error_number));
}

}  // namespace backstay
