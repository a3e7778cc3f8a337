// The only file that sees toml++.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <fmt/format.h>

#include <toml++/toml.h>
#include <string>

#include "base/try.h"
#include "config/value.h"

namespace backstay::config {
namespace {

constexpr const char* kTomlHint = "docs/configuration.md has an example in TOML.";

Mark mark_of(const toml::source_region& region) {
  return {.line = static_cast<std::uint32_t>(region.begin.line),
          .column = static_cast<std::uint32_t>(region.begin.column)};
}

class TomlReader {
 public:
  explicit TomlReader(std::string_view path) : path_(path) {}

  Result<Value> read(const toml::node& node, int depth) {
    const Mark mark = mark_of(node.source());
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
      value.pairs.push_back({.key = std::string(key.str()),
                             .mark = mark_of(key.source()),
                             .value = TRY(read(below, depth + 1))});
    }
    return {};
  }

  Result<void> read_text(const toml::node& node, Value& value) const {
    value.kind = Value::Kind::kText;
    if (const auto* const text = node.as_string()) {
      value.text = text->get();
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
  std::size_t values_ = 0;
};

}  // namespace

Result<Value> parse_toml(std::string_view text, std::string_view path) {
  const toml::parse_result parsed = toml::parse(text);
  if (parsed) return TomlReader(path).read(parsed.table(), 0);
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            fmt::format("{}: {}", place_of(path, mark_of(parsed.error().source())),
                        parsed.error().description()))
          .with_hint(kTomlHint));
}

}  // namespace backstay::config
