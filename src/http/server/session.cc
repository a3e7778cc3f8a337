#include "http/server/session.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::http {
namespace {

constexpr std::size_t kReadAheadBytes = 64 * 1024;

}  // namespace

Next Session::serve_one() {
  begin_request();
  const Result<bool> came = read_head();
  if (!came && came.error().code() == ErrorCode::kInvalidArgument) refuse(came.error());
  if (!came || !*came) return Next::kClose;
  answer();
  if (keeps_ && !drained()) keeps_ = false;
  if (!keeps_ || stopping_) {
    if (!parser_->is_done()) stream_->say_goodbye();
    return Next::kClose;
  }
  if (begin_ != end_ || stream_->has_more()) return Next::kAgain;
  // Who only waits needs no memory.
  buffer_ = {};
  begin_ = end_ = 0;
  return Next::kWait;
}

void Session::begin_request() {
  parser_.emplace(options_.limits.head_bytes_max);
  moved_ = 0;
  waited_before_ = stream_->waited();
  if (buffer_.empty()) buffer_.resize(kReadAheadBytes);
}

// False at the end of the connection.
Result<bool> Session::read_head() {
  const auto left = [&] { return options_.limits.head_max - (stream_->waited() - waited_before_); };
  if (!greeted_) {
    stream_->set_patience(left());
    TRY(stream_->greet());
    greeted_ = true;
  }
  for (;;) {
    const std::size_t taken = TRY(parser_->feed_head(buffered()));
    begin_ += taken;
    if (parser_->has_head()) break;
    stream_->set_patience(left());
    if (TRY(fill()) == 0) return false;
  }
  waited_before_ = stream_->waited();
  keeps_ = parser_->head().keep_alive;
  return true;
}

// More bytes behind those that are there.
Result<std::size_t> Session::fill() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= std::exchange(begin_, 0);
  if (end_ == buffer_.size()) {
    return fail(ErrorCode::kInvalidArgument, "that is no HTTP request: a line is too long");
  }
  const std::size_t got = TRY(stream_->read_some(MutableByteView(buffer_).subspan(end_)));
  end_ += got;
  moved_ += got;
  return got;
}

std::optional<std::chrono::nanoseconds> Session::patience_left() const {
  const ServerLimits& limits = options_.limits;
  const std::chrono::nanoseconds earned =
      limits.grace + std::chrono::seconds(moved_ / limits.rate_min);
  const std::chrono::nanoseconds left = earned - (stream_->waited() - waited_before_);
  if (left <= std::chrono::nanoseconds(0)) return std::nullopt;
  return std::min<std::chrono::nanoseconds>(left, limits.silence_max);
}

Result<std::size_t> Session::read_body(MutableByteView out) {
  while (!parser_->is_done()) {
    const auto [taken, given] = TRY(parser_->feed_body(buffered(), out));
    begin_ += taken;
    if (given > 0) return given;
    if (taken > 0) continue;
    const auto patience = patience_left();
    if (!patience) return fail(ErrorCode::kUnavailable, "the body comes too slowly");
    stream_->set_patience(*patience);
    if (TRY(fill()) == 0) return fail(ErrorCode::kUnavailable, "the body ends early");
  }
  return 0;
}

Result<void> Session::write(ByteView bytes) {
  const auto patience = patience_left();
  if (!patience) return fail(ErrorCode::kUnavailable, "the answer is taken too slowly");
  stream_->set_patience(*patience);
  moved_ += bytes.size();
  return stream_->write(bytes);
}

// The head was none: there is no exchange to answer by.
void Session::refuse(const Error& error) {
  stream_->set_patience(options_.limits.head_max);
  const std::string body = error.describe() + "\n";
  const std::string text =
      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  if (stream_->write(as_bytes(text))) stream_->say_goodbye();
}

void Session::answer() {
  const auto started = std::chrono::steady_clock::now();
  Exchange exchange(*this, parser_->head());
  options_.answer(exchange);
  if (!exchange.has_begun()) {
    static_cast<void>(exchange.send(500, {}, as_bytes("nobody answered\n")).has_value());
  }
  if (!exchange.is_whole()) keeps_ = false;
  if (!options_.log) return;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  options_.log({.peer = peer_,
                .user = exchange.user(),
                .method = parser_->head().method,
                .path = parser_->head().path,
                .status = exchange.status(),
                .bytes_received = exchange.received(),
                .bytes_sent = exchange.sent(),
                .seconds = seconds.count()});
}

bool Session::drained() {
  Bytes unwanted(16 * 1024);
  std::uint64_t sum = 0;
  while (!parser_->is_done()) {
    const Result<std::size_t> got = read_body(unwanted);
    if (!got) return false;
    sum += *got;
    if (sum > kDrainMax) return false;
  }
  return true;
}

}  // namespace backstay::http
