#include "cli/option.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::cli {

std::vector<std::string> Option::split_names() const {
  std::vector<std::string> split;
  std::string_view rest = names;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    split.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return split;
}

std::string Option::long_name() const {
  for (std::string& name : split_names()) {
    if (name.starts_with("--")) return std::move(name);
  }
  return names;
}

Option flag(std::string names, bool& target, std::string help) {
  return {.names = std::move(names),
          .value = {},
          .help = std::move(help),
          .set = [&target](auto) -> Result<void> {
            target = true;
            return {};
          },
          .initial = "false"};
}

Option text(std::string names, std::string value, std::string& target, std::string help) {
  return {.names = std::move(names),
          .value = std::move(value),
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target = given;
            return {};
          },
          .initial = target};
}

Option texts(std::string names, std::string value, std::vector<std::string>& target,
             std::string help) {
  return {.names = std::move(names),
          .value = std::move(value),
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target.emplace_back(given);
            return {};
          },
          .counts = Counts::kAll};
}

Option place(std::string names, std::string value, std::string& target, std::string help) {
  Option option = text(std::move(names), std::move(value), target, std::move(help));
  option.repeat = Repeat::kRefused;
  return option;
}

Option size(std::string names, std::uint64_t& target, std::string help) {
  return {.names = std::move(names),
          .value = "SIZE",
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target = TRY(parse_byte_size(given));
            return {};
          }};
}

Option number(std::string names, std::string value, std::uint64_t& target, Range range,
              std::string help) {
  return {
      .names = std::move(names),
      .value = std::move(value),
      .help = std::move(help),
      .set = [&target, range](std::string_view given) -> Result<void> {
        std::uint64_t parsed = 0;
        const char* const end = given.data() + given.size();
        const auto [stopped, error] = std::from_chars(given.data(), end, parsed);
        if (error != std::errc{} || stopped != end || parsed < range.low || parsed > range.high) {
          return fail(ErrorCode::kInvalidArgument,
                      fmt::format("'{}' is not a whole number from {} to {}", given, range.low,
                                  range.high));
        }
        target = parsed;
        return {};
      }};
}

Error not_a_choice(std::string_view text, const std::vector<std::string>& choices) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("'{}' is none of: {}", text, fmt::join(choices, ", "))};
}

}  // namespace backstay::cli
