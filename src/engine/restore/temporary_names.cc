#include "engine/restore/temporary_names.h"

#include <fmt/format.h>

#include <charconv>

namespace backstay::engine::restoring {
namespace {

// .backstay-RUN-NUMBER.partial, .backstay-RUN-NUMBER.moved-NAME and .backstay-RUN-NUMBER.moved
constexpr std::string_view kStart = ".backstay-";
constexpr std::string_view kNewEnd = ".partial";
constexpr std::string_view kMovedEnd = ".moved";
constexpr std::size_t kRunDigits = 16;
constexpr std::size_t kNameMax = 255;

// Takes a hexadecimal number as fmt writes it from the front of `text`: no sign, no capitals.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789abcdef"));
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  text.remove_prefix(digits.size());
  return number;
}

}  // namespace

std::optional<TemporaryName> parse_temporary_name(std::string_view name) {
  if (!name.starts_with(kStart)) return std::nullopt;
  std::string_view rest = name.substr(kStart.size());
  const std::optional<std::uint64_t> run = take_number(rest);
  if (!run || name.size() - kStart.size() - rest.size() != kRunDigits || !rest.starts_with('-'))
    return std::nullopt;
  rest.remove_prefix(1);
  const std::string_view from_number = rest;
  const std::optional<std::uint64_t> number = take_number(rest);
  const bool has_leading_zero = from_number.starts_with('0') && number != 0;
  if (!number || has_leading_zero || from_number.starts_with("00")) return std::nullopt;
  if (rest == kNewEnd)
    return TemporaryName{.kind = TemporaryName::Kind::kNew, .run = *run, .original = {}};
  if (!rest.starts_with(kMovedEnd)) return std::nullopt;
  rest.remove_prefix(kMovedEnd.size());
  if (!rest.empty() && (rest.size() == 1 || !rest.starts_with('-'))) return std::nullopt;
  return TemporaryName{.kind = TemporaryName::Kind::kMovedAside,
                       .run = *run,
                       .original = std::string(rest.empty() ? rest : rest.substr(1))};
}

std::string TemporaryNames::start() {
  return fmt::format("{}{:016x}-{:x}", kStart, run_, next_.fetch_add(1));
}

std::string TemporaryNames::next() {
  return start().append(kNewEnd);
}

std::string TemporaryNames::next_for(std::string_view name) {
  std::string moved = start().append(kMovedEnd);
  if (moved.size() + 1 + name.size() <= kNameMax) moved.append("-").append(name);
  return moved;
}

}  // namespace backstay::engine::restoring
