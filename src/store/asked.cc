#include "store/asked.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"

namespace backstay::store {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

std::unexpected<Error> lacks(const Asked& asked, std::string_view right) {
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("the token {} has no right to {} in {}", asked.who.name, right,
                          asked.repository.name()));
}

bool parse_digits(std::string_view text, std::uint64_t& number) {
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  return error == std::errc{} && end == last && !text.empty();
}

}  // namespace

Result<void> require_read(const Asked& asked) {
  if (asked.who.rights.read) return {};
  return lacks(asked, "read");
}

Result<void> require_create(const Asked& asked) {
  if (asked.who.rights.create) return {};
  return lacks(asked, "create");
}

Result<void> require_change(const Asked& asked) {
  if (asked.who.rights.create || asked.who.rights.remove) return {};
  return lacks(asked, "create or delete");
}

Result<void> require_remove(const Asked& asked, std::string_view name) {
  const bool own = asked.who.rights.create && backend::may_go_from_append_only(name);
  if (asked.who.rights.remove || own) return {};
  return lacks(asked, "delete");
}

std::optional<Part> parse_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view from = text.substr(0, dash);
  const std::string_view to = text.substr(dash + 1);
  Part part{.begin = 0, .end = size};
  std::uint64_t number = 0;
  if (from.empty()) {
    if (!parse_digits(to, number)) return std::nullopt;
    part.begin = size - std::min(size, number);
  } else {
    if (!parse_digits(from, part.begin)) return std::nullopt;
    if (!to.empty() && (!parse_digits(to, number) || number < part.begin)) return std::nullopt;
    if (!to.empty() && number < size) part.end = number + 1;
  }
  part.not_there = part.begin >= part.end;
  return part;
}

Result<void> give_object(const Asked& asked, std::string_view name,
                         std::span<const http::Header> headers) {
  http::Exchange& exchange = asked.exchange;
  const backend::ObjectInfo info = TRY(asked.repository.backend().head(name));
  const auto range = parse_range(asked.head().header("range").value_or(""), info.size_bytes);
  std::vector<http::Header> all(headers.begin(), headers.end());
  all.push_back({"Content-Type", "application/octet-stream"});
  all.push_back({"Accept-Ranges", "bytes"});
  if (range && range->not_there) {
    all.push_back({"Content-Range", fmt::format("bytes */{}", info.size_bytes)});
    return exchange.send(416, all, {});
  }
  const Part part = range.value_or(Part{.begin = 0, .end = info.size_bytes});
  if (range) {
    all.push_back({"Content-Range",
                   fmt::format("bytes {}-{}/{}", part.begin, part.end - 1, info.size_bytes)});
  }
  const bool wants_bytes = asked.head().method != "HEAD";
  Bytes buffer(wants_bytes ? static_cast<std::size_t>(
                                 std::min<std::uint64_t>(kReadBytes, part.end - part.begin))
                           : 0);
  // The first piece is read before anything is said: what is damaged is told as such.
  std::uint64_t at = part.begin;
  if (wants_bytes) TRY(asked.repository.backend().get_range(name, at, buffer));
  TRY(exchange.begin(range ? 206 : 200, all, part.end - part.begin));
  while (wants_bytes && at < part.end) {
    TRY(exchange.write(buffer));
    at += buffer.size();
    buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, part.end - at)));
    const auto read = asked.repository.backend().get_range(name, at, buffer);
    if (!read) exchange.abandon();
    if (!read) break;
  }
  return exchange.end();
}

Result<void> say(http::Exchange& exchange, int status, std::string_view body,
                 std::span<const http::Header> headers) {
  return exchange.send(status, headers, as_bytes(body));
}

Result<std::uint64_t> body_length(const http::RequestHead& head) {
  if (head.length) return *head.length;
  return fail(ErrorCode::kInvalidArgument, "the request must say how long its body is");
}

}  // namespace backstay::store
