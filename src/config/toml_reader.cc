// The only file that sees toml++. Some of its assertions (version 3.3) are about the text and not
// about the library, and the code behind them gives a failure: without them it does.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <fmt/format.h>

#include <toml++/toml.h>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/try.h"
#include "config/value.h"
#include "json/utf8.h"

namespace backstay::config {
namespace {

constexpr const char* kTomlHint = "docs/configuration.md has an example in TOML.";

// The library (version 3.3) ends the program on bytes that are no text, and of many characters past
// ASCII it does not know whether they are blanks, which is undefined. It gets ASCII only: any other
// character, and the sign itself, is written as its number between two signs that have no meaning
// in TOML, and comes back in keys and texts.
constexpr char kSign = '~';

// Nothing for what is no UTF-8, for control characters, and where TOML's own escapes make the sign.
std::optional<std::string> to_ascii(std::string_view text) {
  for (const std::string_view escape : {"u007e", "u007E", "U0000007e", "U0000007E"}) {
    if (text.find(escape) != text.npos) return std::nullopt;
  }
  std::string out;
  while (!text.empty()) {
    const json::Utf8Character next = json::first_character(text);
    const bool blank = next.code == '\n' || next.code == '\t' || next.code == '\r';
    if (!next.valid || (next.code < 0x20 && !blank) || next.code == 0x7F) return std::nullopt;
    if (next.code >= 0x80 || next.code == kSign) {
      out += kSign + to_hex(as_bytes(text.substr(0, next.length))) + kSign;
    } else {
      out += text[0];
    }
    text.remove_prefix(next.length);
  }
  return out;
}

std::string from_ascii(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text[0] == kSign ? text.find(kSign, 1) : text.npos;
    const auto bytes = from_hex(end != text.npos ? text.substr(1, end - 1) : "");
    if (bytes && !bytes->empty()) {
      out += as_text(*bytes);
      text.remove_prefix(end + 1);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

std::uint32_t characters_in(std::string_view text) {
  std::uint32_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(json::first_character(text).length);
  return count;
}

// Where something stands in the text as it was before to_ascii(). Only lines that it changed are
// looked at, because this is asked for every value.
class Places {
 public:
  explicit Places(std::string_view ascii) : ascii_(ascii) {
    for (std::size_t at = 0; at != ascii.npos; at = ascii.find('\n', at + 1)) lines_.push_back(at);
  }

  [[nodiscard]] Mark mark_of(const toml::source_region& region) const {
    Mark mark{.line = region.begin.line, .column = region.begin.column};
    if (mark.line == 0 || mark.line > lines_.size() || mark.column == 0) return mark;
    // All but the first begin behind the end of the one before.
    const std::size_t begin = lines_[mark.line - 1] + (mark.line > 1 ? 1 : 0);
    const std::string_view before = ascii_.substr(begin, mark.column - 1);
    if (before.find(kSign) != before.npos) mark.column = characters_in(from_ascii(before)) + 1;
    return mark;
  }

 private:
  std::string_view ascii_;
  std::vector<std::size_t> lines_;
};

class TomlReader {
 public:
  TomlReader(std::string_view path, const Places& places) : path_(path), places_(places) {}

  Result<Value> read(const toml::node& node, int depth) {
    const Mark mark = places_.mark_of(node.source());
    if (depth > kDepthMax || ++values_ > kValuesMax)
      return wrong(mark, "there is more in the file than settings can be");
    Value value{.mark = mark};
    if (const toml::table* const table = node.as_table()) {
      TRY(read_table(*table, value, depth));
    } else if (const toml::array* const array = node.as_array()) {
      value.kind = Value::Kind::kList;
      for (const toml::node& item : *array) value.items.push_back(TRY(read(item, depth + 1)));
    } else {
      TRY(read_text(node, value));
    }
    return value;
  }

 private:
  [[nodiscard]] std::unexpected<Error> wrong(Mark mark, std::string_view what) const {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", place_of(path_, mark), what))
            .with_hint(kTomlHint));
  }

  Result<void> read_table(const toml::table& table, Value& value, int depth) {
    value.kind = Value::Kind::kMap;
    for (const auto& [key, below] : table) {
      value.pairs.push_back({.key = from_ascii(key.str()),
                             .mark = places_.mark_of(key.source()),
                             .value = TRY(read(below, depth + 1))});
    }
    return {};
  }

  Result<void> read_text(const toml::node& node, Value& value) const {
    value.kind = Value::Kind::kText;
    if (const auto* const text = node.as_string()) {
      value.text = from_ascii(text->get());
      value.quoted = true;
    } else if (const auto* const integer = node.as_integer()) {
      value.text = std::to_string(integer->get());
    } else if (const auto* const number = node.as_floating_point()) {
      value.text = fmt::format("{}", number->get());
    } else if (const auto* const truth = node.as_boolean()) {
      value.text = truth->get() ? "true" : "false";
    } else {
      return wrong(value.mark, "write dates and times as texts, in quotes");
    }
    return {};
  }

  const std::string path_;
  const Places& places_;
  std::size_t values_ = 0;
};

}  // namespace

Result<Value> parse_toml(std::string_view text, std::string_view path) {
  const auto wrong = [](std::string what) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(kTomlHint));
  };
  const auto ascii = to_ascii(text);
  if (!ascii)
    return wrong(
        fmt::format("{}: there are bytes in the file that are no text in UTF-8, or an "
                    "escape for ~, which can stand there itself",
                    path));
  const Places places(*ascii);
  const toml::parse_result parsed = toml::parse(*ascii);
  if (parsed) return TomlReader(path, places).read(parsed.table(), 0);
  return wrong(fmt::format("{}: {}", place_of(path, places.mark_of(parsed.error().source())),
                           from_ascii(parsed.error().description())));
}

}  // namespace backstay::config
