// What went wrong, and what the caller may do about it.
//
// `ErrorCode` is for programs: it says how to react, and decides the exit code. The message and
// the context lines are for people: what was being done, what went wrong; the hint says what to
// do next. A success costs no allocation; a failure costs one.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backstay {

enum class ErrorCode : std::uint8_t {
  kNotFound,          // the named thing does not exist
  kNoRepository,      // there is no repository at this place
  kAlreadyExists,     // a write-once name is taken
  kCorruption,        // stored bytes failed a check: never retried, always reported
  kUnavailable,       // the other side failed for now: the only code that may be retried
  kPermissionDenied,  // credentials or file modes forbid it
  kWrongKey,          // no key slot opens with this passphrase or key
  kConflict,          // a lease or a precondition was lost
  kInvalidArgument,   // the request can never succeed as given
  kUnsupported,       // this backend, file system or format version cannot do that
  kNoSpace,           // a disk, quota or limit is full
  kCancelled,         // the caller asked to stop
  kInternal,          // a bug in Backstay
};

// The stable name used in JSON output: "not_found", "corruption", ...
[[nodiscard]] std::string_view to_string(ErrorCode code);

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message,
        std::source_location where = std::source_location::current());

  [[nodiscard]] ErrorCode code() const { return state_->code; }
  [[nodiscard]] bool retryable() const { return code() == ErrorCode::kUnavailable; }
  [[nodiscard]] const std::string& message() const { return state_->message; }
  // What the reader of the error should do next: a full sentence, or empty.
  [[nodiscard]] const std::string& hint() const { return state_->hint; }
  [[nodiscard]] const std::source_location& where() const { return state_->where; }
  // The errno of the system call that failed; 0 where it was none.
  [[nodiscard]] int system_error() const { return state_->system_error; }
  // How long the other side asked to be left alone; 0 where it did not.
  [[nodiscard]] std::uint32_t retry_after_ms() const { return state_->retry_after_ms; }

  // Adds what the caller was doing; the outermost context is added last and printed first.
  Error&& with_context(std::string doing) &&;
  Error&& with_system_error(int error_number) &&;
  Error&& with_retry_after(std::uint32_t pause_ms) &&;
  // The first hint given stays: it was given where most was known.
  Error&& with_hint(std::string hint) &&;

  // "restoring /etc/passwd: reading pack 3f…: bytes do not match their name"
  [[nodiscard]] std::string describe() const;

  // A deep copy, for a failure that several parties must be told about.
  [[nodiscard]] Error clone() const;

 private:
  struct State {
    ErrorCode code;
    std::string message;
    std::string hint;
    std::vector<std::string> context;
    std::source_location where;
    int system_error = 0;
    std::uint32_t retry_after_ms = 0;
  };
  std::unique_ptr<State> state_;
};

// `std::expected` is not [[nodiscard]] as a type, so a dropped failure would be silent. This is.
template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

[[nodiscard]] std::unexpected<Error> fail(
    ErrorCode code, std::string message,
    std::source_location where = std::source_location::current());

// The failure of a system call: errno mapped to a code (ENOSPC and EDQUOT to no_space, ENOENT to
// not_found, EACCES and EPERM to permission_denied, EEXIST to already_exists, EIO to unavailable).
[[nodiscard]] std::unexpected<Error> fail_errno(
    int error_number, std::string what,
    std::source_location where = std::source_location::current());

}  // namespace backstay
