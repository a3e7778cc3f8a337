#include "http/server/request_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>

#include "base/try.h"

namespace backstay::http {
namespace {

namespace beast = boost::beast;

// "0", two line ends. Beast 1.74 reads the line of a last chunk that comes first a second time, and
// asserts that by then there are that many bytes; no body is shorter, so it is asked only then.
constexpr std::size_t kChunkedBodyMin = 5;

std::unexpected<Error> no_request(std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("that is no HTTP request: {}", why));
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

struct RequestParser::State {
  beast::http::request_parser<beast::http::buffer_body> parser;
};

RequestParser::RequestParser(std::size_t head_bytes_max)
    : head_bytes_max_(head_bytes_max), state_(std::make_unique<State>()) {
  // Beast's own limit of the body would end a request while its head is read.
  state_->parser.body_limit(boost::none);
  state_->parser.header_limit(static_cast<std::uint32_t>(head_bytes_max));
}

RequestParser::~RequestParser() = default;

Result<std::size_t> RequestParser::feed_head(ByteView bytes) {
  if (bytes.empty()) return 0;
  beast::error_code error;
  const std::size_t taken =
      state_->parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && error != beast::http::error::need_more && error != beast::http::error::need_buffer) {
    return no_request(error.message());
  }
  head_bytes_ += taken;
  if (state_->parser.is_header_done()) {
    TRY(take_head());
  } else if (head_bytes_ + (bytes.size() - taken) > head_bytes_max_) {
    return no_request("its head is too long");
  }
  return taken;
}

Result<void> RequestParser::take_head() {
  const auto& message = state_->parser.get();
  RequestHead head;
  head.method = view(message.method_string());
  const std::string_view target = view(message.target());
  const std::size_t mark = std::min(target.size(), target.find('?'));
  head.path = target.substr(0, mark);
  if (!head.path.starts_with('/')) return no_request("its target is no path");
  if (mark < target.size()) head.query = TRY(parse_query(target.substr(mark + 1)));
  for (const auto& field : message) {
    head.headers.push_back(
        {lower_case(view(field.name_string())), std::string(view(field.value()))});
  }
  const bool chunked = state_->parser.chunked();
  const auto length = state_->parser.content_length();
  if (chunked && head.header("content-length")) return no_request("its body has two lengths");
  if (!chunked) head.length = length ? *length : 0;
  if (!chunked && head.header("transfer-encoding")) return no_request("its body is encoded");
  head.keep_alive = state_->parser.keep_alive();
  head.knows_chunks = message.version() >= 11;
  const std::string expected = lower_case(head.header("expect").value_or(""));
  head.expects_continue = head.knows_chunks && expected == "100-continue";
  head_ = std::move(head);
  return {};
}

Result<RequestParser::Step> RequestParser::feed_body(ByteView bytes, MutableByteView out) {
  if (bytes.empty() || out.empty() || is_done()) return Step{};
  const bool begins_chunks = !head_->length && !body_began_;
  if (begins_chunks && bytes.size() < kChunkedBodyMin) return Step{};
  auto& body = state_->parser.get().body();
  body.data = out.data();
  body.size = out.size();
  body.more = true;
  beast::error_code error;
  const std::size_t taken =
      state_->parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  const Step step{.taken = taken, .given = out.size() - body.size};
  if (taken > 0) body_began_ = true;
  body.data = nullptr;
  body.size = 0;
  if (error && error != beast::http::error::need_more && error != beast::http::error::need_buffer) {
    return no_request(error.message());
  }
  return step;
}

bool RequestParser::is_done() const {
  return state_->parser.is_done();
}

namespace {

template <typename Pairs, typename Name, typename Value>
std::optional<std::string_view> first_of(const Pairs& pairs, std::string_view name, Name name_of,
                                         Value value_of) {
  const auto found = std::ranges::find(pairs, name, name_of);
  if (found == pairs.end()) return std::nullopt;
  return std::string_view((*found).*value_of);
}

}  // namespace

std::optional<std::string_view> RequestHead::header(std::string_view name) const {
  return first_of(headers, name, &Header::name, &Header::value);
}

std::optional<std::string_view> RequestHead::parameter(std::string_view name) const {
  using Pair = Parameters::value_type;
  return first_of(query, name, &Pair::first, &Pair::second);
}

}  // namespace backstay::http
