// One HTTP/1.1 request (RFC 9112) out of bytes that arrive piece by piece.
//
// The grammar is Boost.Beast's, used as a parser alone; what Beast lets through and a server should
// not is refused here: two lengths, a target that is no path, a message that is too long.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "http/client.h"
#include "http/url.h"

namespace backstay::http {

struct RequestHead {
  std::string method;
  std::string path;                     // begins with '/', still encoded
  Parameters query;                     // decoded, in order
  std::vector<Header> headers;          // names in lower case
  std::optional<std::uint64_t> length;  // of the body; nothing when it comes in chunks
  bool keep_alive = false;
  bool expects_continue = false;
  bool knows_chunks = true;  // an answer may come in chunks: HTTP/1.1

  // The first of that name (lower case), or nothing.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};

// Not thread-safe. Every failure is invalid_argument: the bytes are no request.
class RequestParser {
 public:
  explicit RequestParser(std::size_t head_bytes_max);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes lines of the head from the front of `bytes`, and says how many bytes. What is left is
  // given again, with more behind it, until there is a head.
  Result<std::size_t> feed_head(ByteView bytes);
  [[nodiscard]] bool has_head() const { return head_.has_value(); }
  // Once has_head().
  [[nodiscard]] const RequestHead& head() const { return *head_; }

  struct Step {
    std::size_t taken = 0;  // of `bytes`
    std::size_t given = 0;  // into `out`
  };
  // Goes on with the body. Where nothing was taken and nothing given, more bytes must come.
  Result<Step> feed_body(ByteView bytes, MutableByteView out);
  // The body is whole: what follows is the next request.
  [[nodiscard]] bool is_done() const;

 private:
  struct State;
  Result<void> take_head();

  const std::size_t head_bytes_max_;
  std::size_t head_bytes_ = 0;
  bool body_began_ = false;
  std::unique_ptr<State> state_;
  std::optional<RequestHead> head_;
};

}  // namespace backstay::http
