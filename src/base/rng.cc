#include "base/rng.h"

#include <algorithm>

namespace backstay {

void SeededRng::fill(MutableByteView out) {
  for (std::size_t at = 0; at < out.size(); at += 8) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31;
    std::uint8_t raw[8];
    store_le(raw, mixed);
    std::copy_n(raw, std::min<std::size_t>(8, out.size() - at), out.data() + at);
  }
}

}  // namespace backstay
