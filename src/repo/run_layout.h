// Where things are in the body of an index run (docs/format.md section 5.5): for who writes it and
// who reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace backstay::repo {

inline constexpr std::string_view kRunMagic = "BKSTRUN1";
inline constexpr std::size_t kRunHeadSize = 64;
inline constexpr std::size_t kRunSignedAt = 40;  // in the head: u32 1 or 0
inline constexpr std::size_t kRunSignatureSize = 64;
inline constexpr std::size_t kPackRowSize = 48;
inline constexpr std::size_t kIndexEntrySize = 40;
inline constexpr unsigned kRawLengthBits = 28;  // of an entry's word at 32; the codec is above

}  // namespace backstay::repo
