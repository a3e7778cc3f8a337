// What a Backstay store server and its clients say to each other (docs/backends/store-server.md).
// All paths begin with /v1/REPOSITORY, of which '/' is written %2F.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/error.h"

namespace backstay::backend::served {

inline constexpr std::uint16_t kDefaultPort = 8480;

// ---- headers, in lower case
// BLAKE3 of an object's bytes, hexadecimal: of what is put. Named by it or not.
inline constexpr std::string_view kDigestHeader = "backstay-blake3";
// When the object was put, by the store's clock; what time it is there.
inline constexpr std::string_view kModifiedHeader = "backstay-modified";
inline constexpr std::string_view kTimeHeader = "backstay-time";
inline constexpr std::string_view kRetainedHeader = "backstay-retained-until";
// A put that can be gone on with after its connection broke: 32 hexadecimal digits, made up by the
// client; and where in the object the body of this request begins.
inline constexpr std::string_view kUploadHeader = "backstay-upload";
inline constexpr std::string_view kOffsetHeader = "backstay-offset";
// How large the whole object is, of which the body is a part.
inline constexpr std::string_view kSizeHeader = "backstay-size";

// "1763800000.000000005": seconds since 1970 and nine digits of nanoseconds, as in format.md 10.4.
[[nodiscard]] std::string write_time(Timestamp time);
Result<Timestamp> read_time(std::string_view text);

// One line of a listing: "NAME SIZE TIME". The last line is ".": without it, a listing is not
// whole.
inline constexpr std::string_view kListEnd = ".";
[[nodiscard]] std::string write_listed(const ObjectInfo& info);
Result<ObjectInfo> read_listed(std::string_view line);

// The code of an answer that is no success, for HEAD, too: "not_found".
inline constexpr std::string_view kCodeHeader = "backstay-code";

// The body of an answer that is no success: {"code":..,"message":..,"hint":..}.
[[nodiscard]] std::string write_error(const Error& error);
// What the header or the body says; `status` where neither does. That may be from something between
// here and the server, so that a bare 404 or 412 says nothing about an object: unavailable.
[[nodiscard]] Error read_error(int status, std::string_view code_header, std::string_view body);
[[nodiscard]] int status_of(ErrorCode code);

// The body of GET /v1/REPOSITORY.
struct StoreState {
  Capabilities can;
  std::optional<std::uint64_t> quota_bytes = {};
  std::uint64_t used_bytes = 0;  // known where there is a quota
};
[[nodiscard]] std::string write_state(const StoreState& state);
Result<StoreState> read_state(std::string_view text);

// What the bytes of an object of this name hash to, where docs/format.md section 3 says that the
// name tells: 64 hexadecimal digits.
[[nodiscard]] std::optional<std::string_view> digest_in(std::string_view name);

// "home", "team/web-1": components of letters, digits, '.', '_' and '-', none of which begins with
// '.', at most 8 of them and 200 characters.
Result<void> validate_repository(std::string_view name);

}  // namespace backstay::backend::served
