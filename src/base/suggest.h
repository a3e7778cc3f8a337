// "Did you mean": the nearest of some words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backstay {

// The word that takes the fewest changes (a letter put in, left out, replaced, or swapped with its
// neighbour) to become `typed`, when those are few enough for a slip of the fingers; or one that
// `typed` begins.
[[nodiscard]] std::optional<std::string> nearest(std::string_view typed,
                                                 const std::vector<std::string>& words);

}  // namespace backstay
