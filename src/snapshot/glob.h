// Wildcards within one component of a path: `*`, `?`, `[a-z]`, `[!a-z]`, `[^a-z]`, and a backslash
// that takes the meaning from the next character. `?` and `[...]` match one character of valid
// UTF-8, else one byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace backstay::snapshot {

enum class Case : std::uint8_t { kSensitive, kInsensitive };  // ASCII letters only

// What is wrong with `glob`, or nothing.
[[nodiscard]] std::string_view glob_defect(std::string_view glob);

// `glob` has no defect. Takes time in proportion to the product of the lengths at worst.
[[nodiscard]] bool glob_matches(std::string_view glob, std::string_view name, Case sensitivity);

}  // namespace backstay::snapshot
