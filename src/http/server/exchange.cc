#include "http/server/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/try.h"
#include "http/date.h"
#include "http/server/session.h"

namespace backstay::http {
namespace {

struct Reason {
  int status;
  std::string_view text;
};
constexpr std::array kReasons{
    Reason{200, "OK"},
    Reason{201, "Created"},
    Reason{204, "No Content"},
    Reason{206, "Partial Content"},
    Reason{304, "Not Modified"},
    Reason{400, "Bad Request"},
    Reason{401, "Unauthorized"},
    Reason{403, "Forbidden"},
    Reason{404, "Not Found"},
    Reason{405, "Method Not Allowed"},
    Reason{409, "Conflict"},
    Reason{411, "Length Required"},
    Reason{412, "Precondition Failed"},
    Reason{413, "Content Too Large"},
    Reason{416, "Range Not Satisfiable"},
    Reason{422, "Unprocessable Content"},
    Reason{500, "Internal Server Error"},
    Reason{501, "Not Implemented"},
    Reason{503, "Service Unavailable"},
    Reason{507, "Insufficient Storage"},
};

std::string_view reason_of(int status) {
  const auto* const found = std::ranges::find(kReasons, status, &Reason::status);
  return found == kReasons.end() ? std::string_view("Answer") : found->text;
}

}  // namespace

Result<std::size_t> Exchange::read(MutableByteView out) {
  if (head_.expects_continue && !continued_ && status_ == 0 && !session_.body_is_read()) {
    continued_ = true;
    TRY(session_.write(as_bytes("HTTP/1.1 100 Continue\r\n\r\n")));
  }
  const Result<std::size_t> got = session_.read_body(out);
  // Nobody is there any more who could be answered.
  if (!got && got.error().code() == ErrorCode::kUnavailable) lost_ = true;
  if (got) received_ += *got;
  return got ? Result<std::size_t>(*got) : std::unexpected(got.error().clone());
}

Result<Bytes> Exchange::read_all(std::size_t size_max) {
  Bytes all;
  Bytes piece(std::min<std::size_t>(size_max + 1, 16 * 1024));
  for (;;) {
    const std::size_t got = TRY(read(piece));
    if (got == 0) return all;
    if (got > size_max - all.size()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the body of the request is larger than {} bytes", size_max));
    }
    append(all, ByteView(piece).first(got));
  }
}

// Who waits for a word before the body comes may send it after all, or not: nobody can tell where
// the next request begins.
bool Exchange::leaves_too_much() const {
  if (session_.body_is_read()) return false;
  const bool in_doubt = head_.expects_continue && !continued_;
  return in_doubt || !head_.length || *head_.length - received_ > kDrainMax;
}

// Nobody waits for what comes from somebody who may not send it.
bool Exchange::leaves_a_strangers_body() const {
  return (status_ == 401 || status_ == 403) && !session_.body_is_read();
}

std::string Exchange::head_text(int status, std::span<const Header> headers,
                                std::optional<std::uint64_t> size) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, reason_of(status),
                                 format_http_date(SystemClock().now()));
  for (const Header& header : headers) {
    // Whatever is answered, it cannot become a header of its own.
    ASSERT(header.value.find_first_of("\r\n") == std::string::npos);
    text += fmt::format("{}: {}\r\n", header.name, header.value);
  }
  if (status == 204) {
    // Has no body by itself.
  } else if (size) {
    text += fmt::format("Content-Length: {}\r\n", *size);
  } else if (chunked_) {
    text += "Transfer-Encoding: chunked\r\n";
  }
  text += session_.keeps() ? "" : "Connection: close\r\n";
  return text + "\r\n";
}

Result<void> Exchange::send(int status, std::span<const Header> headers, ByteView body) {
  if (has_begun() || lost_) {
    abandon();
    return {};
  }
  constexpr std::size_t kTogetherMax = 16 * 1024;
  if (body.size() > kTogetherMax) {
    TRY(begin(status, headers, body.size()));
    TRY(write(body));
    return end();
  }
  status_ = status;
  if (leaves_too_much() || leaves_a_strangers_body()) session_.close_after_this();
  std::string text = head_text(status, headers, body.size());
  if (head_.method != "HEAD" && status != 204) text += as_text(body);
  TRY(session_.write(as_bytes(text)));
  sent_ += head_.method == "HEAD" ? 0 : body.size();
  ended_ = true;
  return {};
}

Result<void> Exchange::begin(int status, std::span<const Header> headers,
                             std::optional<std::uint64_t> size) {
  ASSERT(!has_begun());
  if (lost_) return fail(ErrorCode::kUnavailable, "nobody waits for the answer");
  status_ = status;
  left_ = size;
  without_body_ = head_.method == "HEAD" || status == 204;
  chunked_ = !size && head_.knows_chunks;
  const bool by_its_end = !size && !chunked_;
  if (by_its_end || leaves_too_much() || leaves_a_strangers_body()) session_.close_after_this();
  return session_.write(as_bytes(head_text(status, headers, size)));
}

Result<void> Exchange::write(ByteView piece) {
  if (piece.empty() || without_body_) return {};
  if (left_) {
    ASSERT(piece.size() <= *left_);
    *left_ -= piece.size();
  }
  if (chunked_) TRY(session_.write(as_bytes(fmt::format("{:x}\r\n", piece.size()))));
  TRY(session_.write(piece));
  if (chunked_) TRY(session_.write(as_bytes("\r\n")));
  sent_ += piece.size();
  return {};
}

Result<void> Exchange::end() {
  const bool short_of = left_ && *left_ > 0 && !without_body_;
  if (short_of || abandoned_) {
    abandoned_ = true;
    return {};
  }
  if (chunked_ && !without_body_) TRY(session_.write(as_bytes("0\r\n\r\n")));
  ended_ = true;
  return {};
}

}  // namespace backstay::http
