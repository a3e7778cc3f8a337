#include "cli/text_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "json/utf8.h"

namespace backstay::cli {
namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

// Unicode 15, blocks rather than single characters: a progress line need not be more exact.
constexpr std::array kWide{
    CodeRange{0x1100, 0x115F},   CodeRange{0x2E80, 0x303E},   CodeRange{0x3041, 0x33FF},
    CodeRange{0x3400, 0x4DBF},   CodeRange{0x4E00, 0x9FFF},   CodeRange{0xA000, 0xA4CF},
    CodeRange{0xA960, 0xA97F},   CodeRange{0xAC00, 0xD7A3},   CodeRange{0xF900, 0xFAFF},
    CodeRange{0xFE30, 0xFE6F},   CodeRange{0xFF00, 0xFF60},   CodeRange{0xFFE0, 0xFFE6},
    CodeRange{0x1F300, 0x1F64F}, CodeRange{0x1F680, 0x1F6FF}, CodeRange{0x1F900, 0x1F9FF},
    CodeRange{0x20000, 0x3FFFD}};
constexpr std::array kNarrowest{
    CodeRange{0x0300, 0x036F}, CodeRange{0x0483, 0x0489}, CodeRange{0x0591, 0x05BD},
    CodeRange{0x0610, 0x061A}, CodeRange{0x064B, 0x065F}, CodeRange{0x1AB0, 0x1AFF},
    CodeRange{0x1DC0, 0x1DFF}, CodeRange{0x200B, 0x200D}, CodeRange{0x20D0, 0x20FF},
    CodeRange{0xFE00, 0xFE0F}, CodeRange{0xFE20, 0xFE2F}};
// Marks that turn the direction of what follows, and line ends that are no control characters.
constexpr std::array kMisleading{CodeRange{0x061C, 0x061C}, CodeRange{0x200E, 0x200F},
                                 CodeRange{0x2028, 0x202E}, CodeRange{0x2066, 0x2069},
                                 CodeRange{0xFEFF, 0xFEFF}};

template <std::size_t N>
bool within(const std::array<CodeRange, N>& ranges, char32_t code) {
  return std::ranges::any_of(
      ranges, [code](const CodeRange& range) { return code >= range.first && code <= range.last; });
}

std::size_t width_of(char32_t code) {
  if (code < 0x300) return 1;
  if (within(kNarrowest, code)) return 0;
  return within(kWide, code) ? 2 : 1;
}

void append_escaped(std::string& out, std::string_view bytes,
                    const json::Utf8Character& character) {
  if (!character.valid) {
    for (const char byte : bytes) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    }
    return;
  }
  switch (character.code) {
    case U'\n':
      out += "\\n";
      return;
    case U'\t':
      out += "\\t";
      return;
    case U'\r':
      out += "\\r";
      return;
    case U'\\':
      out += "\\\\";
      return;
    default:
      break;
  }
  const auto code = static_cast<std::uint32_t>(character.code);
  out += code < 0x80 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{{{:x}}}", code);
}

bool is_plain(const json::Utf8Character& character) {
  const char32_t code = character.code;
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  return character.valid && !control && !within(kMisleading, code);
}

std::string escape(std::string_view text, std::string_view plain_too,
                   std::string_view escaped_too) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const json::Utf8Character character = json::first_character(text);
    const std::string_view bytes = text.substr(0, character.length);
    const bool plain = is_plain(character) ? escaped_too.find(bytes) == std::string_view::npos
                                           : plain_too.find(bytes) != std::string_view::npos;
    if (plain)
      out += bytes;
    else
      append_escaped(out, bytes, character);
    text.remove_prefix(character.length);
  }
  return out;
}

// The longest beginning of `text` that fits into `columns`.
std::string_view fitting(std::string_view text, std::size_t columns) {
  std::size_t length = 0;
  std::size_t width = 0;
  while (length < text.size()) {
    const json::Utf8Character character = json::first_character(text.substr(length));
    width += width_of(character.code);
    if (width > columns) break;
    length += character.length;
  }
  return text.substr(0, length);
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const json::Utf8Character character = json::first_character(text);
    width += width_of(character.code);
    text.remove_prefix(character.length);
  }
  return width;
}

std::string printable(std::string_view text) {
  return escape(text, "", "\\");
}

std::string printable_message(std::string_view text) {
  return escape(text, "\n", "");
}

std::string shorten(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  const std::size_t head = (columns - 1) / 2;
  std::string out(fitting(text, head));
  out += "…";
  // The tail starts at the first character from which the rest fits.
  std::string_view tail = text;
  while (display_width(tail) > columns - 1 - head) {
    tail.remove_prefix(json::first_character(tail).length);
  }
  return out.append(tail);
}

std::vector<std::string> wrap(std::string_view text, std::size_t columns) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t length = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (word.empty()) continue;
    const bool fits = display_width(lines.back()) + 1 + display_width(word) <= columns;
    if (!lines.back().empty() && !fits) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string format_duration(double seconds) {
  constexpr double kLongest = 1e9;
  const auto whole = static_cast<std::uint64_t>(std::llround(std::clamp(seconds, 0.0, kLongest)));
  const std::uint64_t hours = whole / 3600;
  const std::uint64_t minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

}  // namespace backstay::cli
