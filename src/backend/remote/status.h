// What a status of HTTP means for a store whose answer says no more than that
// (RFC 9110, section 15; RFC 4918, section 11; RFC 6585).
#pragma once

#include <span>

#include "base/error.h"
#include "http/client.h"

namespace backstay::backend::remote {

// What one kind of store means by a status, where that is not what all mean.
struct StatusMeaning {
  int status = 0;
  ErrorCode code = ErrorCode::kInternal;
};

// Of an answer that did not succeed: what `own` says of it, else what it means everywhere.
[[nodiscard]] ErrorCode code_of_status(int status, std::span<const StatusMeaning> own);

// With the pause that Retry-After asks for, where it makes sense to try again; with the shortest
// one where a server has too much to do (429, 503) and names none.
[[nodiscard]] Error with_pause(Error error, const http::Response& response);

}  // namespace backstay::backend::remote
