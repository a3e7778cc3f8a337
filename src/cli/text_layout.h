// Text on a terminal: widths, wrapping, and file names that cannot play tricks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::cli {

// Columns that the text takes: wide characters (East Asian, emoji) two, combining ones none.
[[nodiscard]] std::size_t display_width(std::string_view text);

// `text` with everything made visible that a terminal would obey or that would mislead its reader:
// control characters (C0, DEL, C1) and what reverses the direction of writing as \n, \t, \x1b or
// \u{202e}, bytes that are no UTF-8 as \xff, and a backslash as \\ so that all of this can be told
// from plain text.
[[nodiscard]] std::string printable(std::string_view text);
// The same for messages of several lines, where backslashes and line ends stay as they are.
[[nodiscard]] std::string printable_message(std::string_view text);

// At most `columns` wide; what is left out in the middle becomes "…".
[[nodiscard]] std::string shorten(std::string_view text, std::size_t columns);

// Words of one paragraph in lines of at most `columns`, without line ends.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t columns);

// "1,234,567"
[[nodiscard]] std::string grouped(std::uint64_t number);
// "0:07", "12:34", "1:02:03"
[[nodiscard]] std::string format_duration(double seconds);

}  // namespace backstay::cli
