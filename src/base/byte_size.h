// Sizes as people write and read them: "16MiB", "1.5 GiB".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

// Accepts digits with an optional fraction and an optional unit: B, K, M, G, T, P (binary, as
// restic and BorgBackup read them), the same with "iB", and KB, MB, ... (decimal). Case does not
// count.
Result<std::uint64_t> parse_byte_size(std::string_view text);

// Binary units, at most four significant digits: "512 B", "3.708 GiB".
[[nodiscard]] std::string format_byte_size(std::uint64_t bytes);

}  // namespace backstay
