// Requests to our server: the first byte says in how large pieces the rest arrives. However that
// is, the same comes of it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/assert.h"
#include "http/server/request_parser.h"

namespace {

using backstay::Bytes;
using backstay::ByteView;

struct Parsed {
  std::string target;
  std::size_t headers = 0;
  Bytes body;
  bool whole = false;
};

// Nothing where the bytes are refused.
std::optional<Parsed> parse(ByteView bytes, std::size_t step) {
  backstay::http::RequestParser parser(8192);
  Parsed parsed;
  Bytes buffer;
  Bytes out(5);
  for (;;) {
    std::size_t taken = 0;
    const bool in_body = parser.has_head();
    if (!in_body) {
      const auto fed = parser.feed_head(buffer);
      if (!fed) return std::nullopt;
      taken = *fed;
    } else {
      const auto fed = parser.feed_body(buffer, out);
      if (!fed) return std::nullopt;
      taken = fed->taken;
      backstay::append(parsed.body, ByteView(out).first(fed->given));
    }
    ASSERT(taken <= buffer.size());
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(taken));
    if (!in_body && parser.has_head()) {
      const auto& head = parser.head();
      ASSERT(head.path.starts_with('/') && !head.path.contains('?'));
      parsed.target = head.method + head.path;
      parsed.headers = head.headers.size();
      continue;
    }
    parsed.whole = parser.has_head() && parser.is_done();
    if (parsed.whole || (taken == 0 && bytes.empty())) return parsed;
    const std::size_t next = std::min(step, bytes.size());
    backstay::append(buffer, bytes.first(next));
    bytes = bytes.subspan(next);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  const auto at_once = parse(bytes, bytes.size() + 1);
  const auto in_pieces = parse(bytes, 1U + data[0]);
  // Where a request is not whole, it depends on the pieces how soon it is refused.
  if (!at_once || !at_once->whole || !in_pieces) return 0;
  ASSERT(in_pieces->whole);
  ASSERT(at_once->target == in_pieces->target && at_once->headers == in_pieces->headers);
  ASSERT(at_once->body == in_pieces->body);
  return 0;
}
