// Which program this is.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backstay::cli {

inline constexpr std::string_view kProgramVersion = BACKSTAY_VERSION;
// Of repositories (docs/format.md).
inline constexpr int kFormatVersion = 1;

// The compiler and the libraries that this program was built with.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace backstay::cli
