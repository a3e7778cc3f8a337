#include "json/reader.h"

#include <charconv>

#include "base/try.h"

namespace backstay::json {

namespace {

constexpr std::size_t kDepthMax = 200;

void append_utf8(std::string& out, std::uint32_t code) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80 | ((code >> shift) & 0x3F));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool ends_a_scalar(char c) {
  return c == ',' || c == ']' || c == '}' || is_space(c);
}

}  // namespace

std::unexpected<Error> Reader::broken(std::string_view what) const {
  return fail(ErrorCode::kCorruption, "the JSON is broken: " + std::string(what));
}

void Reader::skip_space() {
  while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
}

bool Reader::starts_with(char c) {
  skip_space();
  return rest_.starts_with(c);
}

Result<void> Reader::expect(char c) {
  if (!starts_with(c)) return broken(std::string("a '") + c + "' is missing");
  rest_.remove_prefix(1);
  return {};
}

Result<void> Reader::enter_object() {
  TRY(expect('{'));
  fresh_ = true;
  return {};
}

Result<void> Reader::enter_array() {
  TRY(expect('['));
  fresh_ = true;
  return {};
}

Result<bool> Reader::next_in(char close) {
  const bool first = fresh_;
  fresh_ = false;
  if (starts_with(close)) {
    rest_.remove_prefix(1);
    return false;
  }
  if (!first) TRY(expect(','));
  return true;
}

Result<std::optional<std::string>> Reader::next_key() {
  if (!TRY(next_in('}'))) return std::nullopt;
  std::string key = TRY(string());
  TRY(expect(':'));
  return key;
}

Result<bool> Reader::next_element() {
  return next_in(']');
}

Result<std::uint32_t> Reader::hex_digits() {
  std::uint32_t code = 0;
  if (rest_.size() < 4) return broken("an escape is cut short");
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
  if (error != std::errc{} || end != rest_.data() + 4) return broken("an escape is none");
  rest_.remove_prefix(4);
  return code;
}

Result<void> Reader::append_escape(std::string& out) {
  if (rest_.empty()) return broken("an escape is cut short");
  const char c = rest_.front();
  rest_.remove_prefix(1);
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  if (const std::size_t at = kNames.find(c); at != std::string_view::npos) {
    out += kMeant[at];
    return {};
  }
  if (c != 'u') return broken("an escape is none");
  std::uint32_t code = TRY(hex_digits());
  const bool high = code >= 0xD800 && code < 0xDC00;
  if (high && rest_.starts_with("\\u")) {
    const std::string_view before = rest_;
    rest_.remove_prefix(2);
    const std::uint32_t low = TRY(hex_digits());
    if (low >= 0xDC00 && low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else {
      rest_ = before;
    }
  }
  if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
  append_utf8(out, code);
  return {};
}

Result<std::string> Reader::string() {
  TRY(expect('"'));
  std::string out;
  for (;;) {
    std::size_t plain = 0;
    while (plain < rest_.size() && rest_[plain] != '"' && rest_[plain] != '\\') ++plain;
    out += rest_.substr(0, plain);
    rest_.remove_prefix(plain);
    if (rest_.empty()) return broken("a text has no end");
    const bool at_end = rest_.front() == '"';
    rest_.remove_prefix(1);
    if (at_end) return out;
    TRY(append_escape(out));
  }
}

Result<std::uint64_t> Reader::number() {
  skip_space();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
  if (error != std::errc{}) return broken("a whole number is missing");
  rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
  if (!rest_.empty() && !ends_a_scalar(rest_.front())) return broken("a number is not whole");
  return value;
}

Result<std::int64_t> Reader::signed_number() {
  skip_space();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
  if (error != std::errc{}) return broken("a whole number is missing");
  rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
  if (!rest_.empty() && !ends_a_scalar(rest_.front())) return broken("a number is not whole");
  return value;
}

Result<bool> Reader::boolean() {
  const std::string_view word = TRY(raw());
  if (word == "true") return true;
  if (word == "false") return false;
  return broken("'true' or 'false' is missing");
}

bool Reader::take_null() {
  skip_space();
  constexpr std::string_view kNull = "null";
  if (!rest_.starts_with(kNull)) return false;
  rest_.remove_prefix(kNull.size());
  return true;
}

Result<void> Reader::skip_string() {
  for (std::size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] == '\\') {
      ++i;
    } else if (rest_[i] == '"') {
      rest_.remove_prefix(i + 1);
      return {};
    }
  }
  return broken("a text has no end");
}

Result<void> Reader::skip_scalar() {
  std::size_t length = 0;
  while (length < rest_.size() && !ends_a_scalar(rest_[length])) ++length;
  if (length == 0) return broken("a value is missing");
  rest_.remove_prefix(length);
  return {};
}

Result<void> Reader::skip() {
  std::string open;  // brackets
  do {
    skip_space();
    if (rest_.empty()) return broken("it is cut short");
    const char c = rest_.front();
    if (c == '"') {
      TRY(skip_string());
    } else if (c == '{' || c == '[') {
      if (open.size() == kDepthMax) return broken("it is too deep");
      open += c == '{' ? '}' : ']';
      rest_.remove_prefix(1);
    } else if (!open.empty() && c == open.back()) {
      open.pop_back();
      rest_.remove_prefix(1);
    } else if (!open.empty() && (c == ',' || c == ':')) {
      rest_.remove_prefix(1);
    } else {
      TRY(skip_scalar());
    }
  } while (!open.empty());
  return {};
}

Result<std::string_view> Reader::raw() {
  skip_space();
  const std::string_view before = rest_;
  TRY(skip());
  return before.substr(0, before.size() - rest_.size());
}

Result<void> Reader::finish() {
  skip_space();
  if (rest_.empty()) return {};
  return broken("something follows its end");
}

// What stands between objects; true when one begins.
Result<bool> ObjectSplitter::take_between(char c) {
  if (c == '{') return true;
  if (c == ']') at_end_ = true;
  if (c == ']' || c == ',' || is_space(c)) return false;
  return fail(ErrorCode::kCorruption, "the JSON is broken: an object is missing");
}

// True when it was the last of its object.
bool ObjectSplitter::take_inside(char c) {
  object_ += c;
  if (in_string_) {
    if (!escaped_ && c == '"') in_string_ = false;
    escaped_ = !escaped_ && c == '\\';
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if (c == '}' || c == ']') {
    --depth_;
  }
  return depth_ == 0;
}

Result<bool> ObjectSplitter::feed(std::string_view& piece) {
  if (whole_) object_.clear();
  whole_ = false;
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (depth_ == 0 && !TRY(take_between(piece[i]))) {
      if (!at_end_) continue;
      piece.remove_prefix(i + 1);
      return false;
    }
    if (object_.size() == object_max_)
      return fail(ErrorCode::kCorruption, "the JSON is broken: an object is too long");
    whole_ = take_inside(piece[i]);
    if (!whole_) continue;
    piece.remove_prefix(i + 1);
    return true;
  }
  piece = {};
  return false;
}

}  // namespace backstay::json
