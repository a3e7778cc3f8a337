// One request to a store server after it is known who asks, of which repository, and for what.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/error.h"
#include "http/server/exchange.h"
#include "store/repository.h"
#include "store/tokens.h"

namespace backstay::store {

struct Asked {
  http::Exchange& exchange;
  Repository& repository;
  const Token& who;

  [[nodiscard]] const http::RequestHead& head() const { return exchange.head(); }
};

// permission_denied, with the right that is missing.
Result<void> require_read(const Asked& asked);
Result<void> require_create(const Asked& asked);
// Either of the rights to change anything.
Result<void> require_change(const Asked& asked);
// `name`: leases go with the right to create.
Result<void> require_remove(const Asked& asked, std::string_view name);

// The object, or the part of it that the header Range asks for; HEAD gives no bytes.
Result<void> give_object(const Asked& asked, std::string_view name,
                         std::span<const http::Header> headers);

// A whole answer that succeeded.
Result<void> say(http::Exchange& exchange, int status, std::string_view body = {},
                 std::span<const http::Header> headers = {});

// The bytes "a-b" of an object of `size` bytes that a header Range asks for (RFC 9110, section 14);
// nothing where it asks for the whole, or for more than one part. kNotThere: no byte is in it.
struct Part {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // not included
  bool not_there = false;
};
[[nodiscard]] std::optional<Part> parse_range(std::string_view text, std::uint64_t size);

// The length of the body that comes; invalid_argument when it is not said beforehand.
Result<std::uint64_t> body_length(const http::RequestHead& head);

}  // namespace backstay::store
