// Compression of frames with zstd (RFC 8878). Contexts are kept, so one codec per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::compress {

// These numbers are stored in repositories: do not change them.
enum class Codec : std::uint8_t { kStored = 0, kZstd = 1 };

inline constexpr int kLevelMin = -7;
inline constexpr int kLevelMax = 22;
// Not one of zstd's levels but level 1 with a window over the whole frame, a hash table that fits
// the second-level cache and shorter matches: on /usr 3.5 % smaller at 0.93 times the speed, on
// source code in frames of 1 MiB 9 % smaller at 0.97 times (bench/micro).
inline constexpr int kLevelAutomatic = 0;

class ZstdCodec {
 public:
  ZstdCodec();
  ~ZstdCodec();
  ZstdCodec(ZstdCodec&&) noexcept;
  ZstdCodec& operator=(ZstdCodec&&) noexcept;

  // Appends the compressed form of `raw` to `out` and returns its size, or returns 0 and leaves
  // `out` alone when less than about 3 % would be saved: such frames are stored as they are. Above
  // level 3, where zstd itself is slow to give up, the entropy of samples is looked at first.
  // Fails with invalid_argument for a level outside kLevelMin to kLevelMax.
  Result<std::size_t> compress(ByteView raw, int level, Bytes& out);
  // The same without a copy: the compressed form is the codec's own and lives until it is next
  // asked to compress. Empty when less than about 3 % would be saved.
  Result<ByteView> compress(ByteView raw, int level);

  // Fills `out` exactly. Fails with corruption when `packed` is not one zstd frame of that very
  // size: nothing is ever written past `out` or allocated for it, whatever `packed` claims.
  Result<void> decompress(ByteView packed, MutableByteView out);
  // The same of one frame whose size is not known beforehand. corruption beyond `size_max`; no more
  // is allocated than twice of what came out, whatever `packed` claims.
  Result<Bytes> decompress_up_to(ByteView packed, std::size_t size_max);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// True when samples of `raw` look random (order-0 entropy above 7.7 bits a byte).
[[nodiscard]] bool looks_incompressible(ByteView raw);

}  // namespace backstay::compress
