#include "watch/mounts.h"

#include <algorithm>
#include <cstddef>

namespace backstay::watch {

namespace {

constexpr std::size_t kFolderField = 4;
constexpr std::size_t kEscapeDigits = 3;

bool is_octal(std::string_view text) {
  return text.find_first_not_of("01234567") == std::string_view::npos;
}

// Blanks, tabs, line ends and backslashes are written as a backslash and three octal digits.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view digits = text.substr(at + 1, kEscapeDigits);
    if (text[at] != '\\' || digits.size() < kEscapeDigits || !is_octal(digits)) {
      out.push_back(text[at]);
      continue;
    }
    out.push_back(
        static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0')));
    at += kEscapeDigits;
  }
  return out;
}

}  // namespace

std::vector<std::string> mounted_folders(std::string_view mountinfo) {
  std::vector<std::string> folders;
  while (!mountinfo.empty()) {
    std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    mountinfo.remove_prefix(std::min(line.size() + 1, mountinfo.size()));
    for (std::size_t field = 0; field < kFolderField; ++field) {
      const std::size_t blank = line.find(' ');
      line = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    }
    line = line.substr(0, line.find(' '));
    if (line.starts_with('/')) folders.push_back(unescaped(line));
  }
  return folders;
}

}  // namespace backstay::watch
