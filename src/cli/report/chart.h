// Charts as SVG: no script, so that a page shows them in any browser, in mail and on paper.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace backstay::cli::report {

// What stands between tags and in attributes: nothing in it is taken for markup, and what would
// mislead a reader (control characters, turned writing) is made visible.
[[nodiscard]] std::string html_text(std::string_view text);

struct Line {
  std::string name;
  std::string css_class;              // its colour
  std::vector<std::uint64_t> values;  // bytes, one a moment
};

// Lines that keep a value until the next moment. `times` ascend; of more than 400 moments 400 are
// drawn, the first and the last among them. Empty without two different moments.
[[nodiscard]] std::string bytes_over_time(const std::vector<Timestamp>& times,
                                          const std::vector<Line>& lines, std::string_view title);

// At most six ticks from 0 up to at least `most`, a power of two apart: what sizes in binary units
// show as round numbers.
[[nodiscard]] std::vector<std::uint64_t> byte_ticks(std::uint64_t most);

}  // namespace backstay::cli::report
