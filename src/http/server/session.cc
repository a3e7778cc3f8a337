#include "http/server/session.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::http {
namespace {

constexpr std::size_t kReadAheadBytes = 64 * 1024;

}  // namespace

Next Session::serve_one() {
  begin_request();
  const Result<Came> came = read_head();
  if (!came && came.error().code() == ErrorCode::kInvalidArgument) refuse(came.error());
  if (!came || *came == Came::kEnd) return Next::kClose;
  if (*came == Came::kNotYet) {
    keep_what_came();
    return stopping_ ? Next::kClose : Next::kWait;
  }
  answer();
  if (keeps_ && !drained()) keeps_ = false;
  if (!keeps_ || stopping_) {
    if (!parser_->is_done()) stream_->say_goodbye();
    return Next::kClose;
  }
  parser_.reset();
  if (begin_ != end_ || stream_->has_more()) return Next::kAgain;
  keep_what_came();
  return Next::kWait;
}

void Session::begin_request() {
  if (buffer_.size() < kReadAheadBytes) buffer_.resize(kReadAheadBytes);
  if (in_head()) return;
  parser_.emplace(options_.limits.head_bytes_max);
  head_began_ = std::chrono::steady_clock::now();
  drained_by_.reset();
  moved_ = 0;
}

// Who only waits needs no memory.
void Session::keep_what_came() {
  buffer_ = to_owned(buffered());
  begin_ = 0;
  end_ = buffer_.size();
}

Result<Session::Came> Session::read_head() {
  stream_->set_patience(std::chrono::nanoseconds(0));
  if (!greeted_) {
    Result<void> greeted = stream_->greet();
    if (!greeted && stream_->ran_out()) return Came::kNotYet;
    TRY(std::move(greeted));
    greeted_ = true;
  }
  for (;;) {
    begin_ += TRY(parser_->feed_head(buffered()));
    if (parser_->has_head()) break;
    const Result<std::size_t> got = fill();
    const bool in_vain = !got && got.error().retryable() && stream_->ran_out();
    if (in_vain) return Came::kNotYet;
    if (!got) return std::unexpected(got.error().clone());
    if (*got == 0) return Came::kEnd;
  }
  waited_before_ = stream_->waited();
  keeps_ = parser_->head().keep_alive;
  return Came::kHead;
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
  if (drained_by_) {
    const std::chrono::nanoseconds rest = *drained_by_ - std::chrono::steady_clock::now();
    return rest > std::chrono::nanoseconds(0) ? std::optional(rest) : std::nullopt;
  }
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
  drained_by_ = std::chrono::steady_clock::now() + kDrainTime;
  while (!parser_->is_done()) {
    const Result<std::size_t> got = read_body(unwanted);
    if (!got) return false;
    sum += *got;
    if (sum > kDrainMax) return false;
  }
  return true;
}

}  // namespace backstay::http
