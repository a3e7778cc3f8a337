// The requests of one connection, one after another.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "http/server/exchange.h"
#include "http/server/server.h"
#include "http/server/stream.h"

namespace backstay::http {

// So much of a body that nobody wanted is read, so that the connection can be kept.
inline constexpr std::uint64_t kDrainMax = 64 * 1024;

// And so long it may take.
inline constexpr std::chrono::milliseconds kDrainTime{1500};

// What becomes of the connection.
enum class Next : std::uint8_t { kWait, kAgain, kClose };

// One thread at a time.
class Session {
 public:
  // Everything outlives the session. `stopping`: no request after this one.
  Session(std::unique_ptr<Stream> stream, const ServerOptions& options, std::string peer,
          const std::atomic<bool>& stopping)
      : stream_(std::move(stream)),
        options_(options),
        peer_(std::move(peer)),
        stopping_(stopping) {}

  // Reads one request that has begun to come, and has it answered. Nobody is waited for while the
  // head comes: kWait then, with in_head().
  Next serve_one();
  // A request has begun to come, at that moment, and its head is not whole yet.
  [[nodiscard]] bool in_head() const { return parser_.has_value(); }
  [[nodiscard]] std::chrono::steady_clock::time_point head_began() const { return head_began_; }

  // ---- for the exchange
  Result<std::size_t> read_body(MutableByteView out);
  [[nodiscard]] bool body_is_read() const { return parser_->is_done(); }
  Result<void> write(ByteView bytes);
  [[nodiscard]] bool keeps() const { return keeps_; }
  void close_after_this() { keeps_ = false; }

 private:
  enum class Came : std::uint8_t { kHead, kNotYet, kEnd };
  Result<Came> read_head();
  Result<std::size_t> fill();
  [[nodiscard]] ByteView buffered() const {
    return ByteView(buffer_).subspan(begin_, end_ - begin_);
  }
  void begin_request();
  void keep_what_came();
  // Nothing: the peer has used up what it may make us wait.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> patience_left() const;
  void refuse(const Error& error);
  void answer();
  [[nodiscard]] bool drained();

  std::unique_ptr<Stream> stream_;
  const ServerOptions& options_;
  const std::string peer_;
  const std::atomic<bool>& stopping_;
  std::optional<RequestParser> parser_;  // of the request that is being read or answered
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool greeted_ = false;
  bool keeps_ = true;
  std::chrono::steady_clock::time_point head_began_;
  std::chrono::nanoseconds waited_before_{0};
  // Nothing more is earned by what comes: the body is read to be thrown away.
  std::optional<std::chrono::steady_clock::time_point> drained_by_;
  std::uint64_t moved_ = 0;  // bytes of this request in both directions
};

}  // namespace backstay::http
