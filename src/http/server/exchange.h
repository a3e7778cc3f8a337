// One request and its answer, as who answers it sees them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "http/server/request_parser.h"

namespace backstay::http {

class Session;

// Used by the thread that answers, until it returns. A failure of read() or write() means that the
// connection is of no more use: the answer is lost, and there is nobody to tell.
class Exchange {
 public:
  explicit Exchange(Session& session, const RequestHead& head) : session_(session), head_(head) {}

  [[nodiscard]] const RequestHead& head() const { return head_; }

  // The body. 0 at its end; at least one byte before it, as many as came. invalid_argument when it
  // breaks the rules of HTTP; unavailable when it ends early, or comes too slowly.
  Result<std::size_t> read(MutableByteView out);
  // All of it; invalid_argument when it is larger than `size_max`.
  Result<Bytes> read_all(std::size_t size_max);

  // A whole answer.
  Result<void> send(int status, std::span<const Header> headers, ByteView body);
  // One that comes in pieces: begin, write as often as needed, end. With a size, the pieces are as
  // long together; without one, who reads sees by the end that it is whole. HEAD gets no body,
  // whatever is written.
  Result<void> begin(int status, std::span<const Header> headers,
                     std::optional<std::uint64_t> size);
  Result<void> write(ByteView piece);
  Result<void> end();
  [[nodiscard]] bool has_begun() const { return status_ != 0; }
  // The answer cannot be given as it was begun: whoever reads it must see that it is not whole.
  void abandon() { abandoned_ = true; }

  // Who asks, for the log.
  void set_user(std::string user) { user_ = std::move(user); }
  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  // The answer went out as it was begun, and the connection is good for another request.
  [[nodiscard]] bool is_whole() const { return ended_ && !abandoned_; }

 private:
  std::string head_text(int status, std::span<const Header> headers,
                        std::optional<std::uint64_t> size);
  [[nodiscard]] bool leaves_too_much() const;
  [[nodiscard]] bool leaves_a_strangers_body() const;

  Session& session_;
  const RequestHead& head_;
  std::string user_;
  int status_ = 0;
  bool chunked_ = false;
  bool without_body_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
  bool lost_ = false;  // the peer went away, or was dropped
  bool continued_ = false;
  std::optional<std::uint64_t> left_;  // of a body whose size was said
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace backstay::http
