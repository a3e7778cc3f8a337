// How the cut points are found fast.
//
// The naive way walks byte by byte from the start of a chunk: shift, add a table word, compare.
// Each step waits for the one before. But the hash of a position depends on the 32 bytes before it
// and on nothing else: older bytes have been shifted out of the 32-bit word. So the search for the
// first candidate in a range may begin anywhere, after a warm-up over 31 bytes, and in several
// places at once.
//
// A range is searched block by block. A block is four stripes that stand next to each other, hashed
// in one loop by four independent chains. Whichever chain meets a candidate ends the loop; only the
// stripes before it, each from where the loop stood, can still hold one that is further to the
// front. What lies behind was hashed in vain, which is why a block (16 KiB) is small next to the
// distance between candidates (256 KiB at the default sizes). Positions before the minimum size are
// never hashed at all.
//
// The cut rule of docs/format.md section 5.2 asks for two such searches: strict candidates from
// minimum to normal size, then loose ones up to the maximum. Both give the very cut of the naive
// way.
//
// Measured on one core of a busy AVX-512 server, 256 MiB of random bytes and of libraries, default
// sizes, processor time: 4.9 to 5.0 GB/s of input, about a fifth of which lies before a minimum
// size. A byte loop that only counts candidates, without skipping or cutting, does 3.5. Keeping
// this loop running after a hit, with a variable a stripe for its place, gave 3.2: the compiler
// turns the rare branches into work for every byte. Stripes of 2, 4 and 8 KiB are equally fast.
#include "chunk/content_chunker.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/byte_size.h"
#include "crypto/hash.h"

namespace backstay::chunk {

namespace {

constexpr std::size_t kWindowBytes = 32;
constexpr std::uint32_t kMinBytesFloor = 64;
constexpr std::uint32_t kMaxBytesCeiling = 16 * kMiB;
constexpr std::size_t kNowhere = ~std::size_t{0};

// Not a multiple of 4 KiB: stripes at such a distance fight for the same lines of the first-level
// cache, and the loop falls to a fraction of its speed.
constexpr std::size_t kStripeBytes = 4096 - 64;
constexpr std::size_t kStripeBytesMin = 256;  // below, the warm-up is not worth it
constexpr std::size_t kStripes = 4;

// What the search needs; pointers and plain words, so that the loops keep them in registers.
struct GearScan {
  const std::uint32_t* words;
  const std::uint8_t* data;
  std::uint32_t below;  // a position is a candidate when its hash is less

  // The hash of the position before `position`, as far as the next step can tell.
  [[nodiscard]] std::uint32_t warm_up(std::size_t position) const {
    std::uint32_t hash = 0;
    for (std::size_t i = position - kWindowBytes; i < position - 1; ++i) {
      hash = (hash << 1) + words[data[i]];
    }
    return hash;
  }

  // The first candidate position in [from, to), one by one.
  [[nodiscard]] std::size_t first_one_by_one(std::size_t from, std::size_t to) const {
    std::uint32_t hash = warm_up(from);
    for (std::size_t position = from; position < to; ++position) {
      hash = (hash << 1) + words[data[position - 1]];
      if (hash < below) return position;
    }
    return kNowhere;
  }

  // Stripe `hit` of a block met a candidate at its position `at`. The stripes before it have none
  // up to there, and may have one further on.
  [[nodiscard]] std::size_t foremost(std::size_t from, std::size_t stripe, std::size_t hit,
                                     std::size_t at) const {
    for (std::size_t i = 0; i < hit; ++i) {
      const std::size_t begin = from + i * stripe;
      const std::size_t found = first_one_by_one(begin + at + 1, begin + stripe);
      if (found != kNowhere) return found;
    }
    return from + hit * stripe + at;
  }

  // The first candidate position in four stripes of `stripe` positions each, from `from` on.
  [[nodiscard]] std::size_t first_in_block(std::size_t from, std::size_t stripe) const;
};

std::size_t GearScan::first_in_block(std::size_t from, std::size_t stripe) const {
  const std::uint32_t* const table = words;
  const std::uint32_t limit = below;
  const std::uint8_t* const bytes0 = data + from - 1;
  const std::uint8_t* const bytes1 = bytes0 + stripe;
  const std::uint8_t* const bytes2 = bytes1 + stripe;
  const std::uint8_t* const bytes3 = bytes2 + stripe;
  std::uint32_t hash0 = warm_up(from);
  std::uint32_t hash1 = warm_up(from + stripe);
  std::uint32_t hash2 = warm_up(from + 2 * stripe);
  std::uint32_t hash3 = warm_up(from + 3 * stripe);
  for (std::size_t i = 0; i < stripe; ++i) {
    hash0 = (hash0 << 1) + table[bytes0[i]];
    if (hash0 < limit) [[unlikely]]
      return from + i;
    hash1 = (hash1 << 1) + table[bytes1[i]];
    if (hash1 < limit) [[unlikely]]
      return foremost(from, stripe, 1, i);
    hash2 = (hash2 << 1) + table[bytes2[i]];
    if (hash2 < limit) [[unlikely]]
      return foremost(from, stripe, 2, i);
    hash3 = (hash3 << 1) + table[bytes3[i]];
    if (hash3 < limit) [[unlikely]]
      return foremost(from, stripe, 3, i);
  }
  return kNowhere;
}

// The first candidate position in [from, to), or kNowhere. Needs from >= kWindowBytes.
std::size_t first_candidate(const GearScan& scan, std::size_t from, std::size_t to) {
  while (from < to && to - from >= kStripes * kStripeBytesMin) {
    const std::size_t stripe = std::min(kStripeBytes, (to - from) / kStripes);
    const std::size_t found = scan.first_in_block(from, stripe);
    if (found != kNowhere) return found;
    from += kStripes * stripe;
  }
  return from < to ? scan.first_one_by_one(from, to) : kNowhere;
}

}  // namespace

Result<void> validate(const CutSizes& sizes) {
  const bool ordered = kMinBytesFloor <= sizes.min_bytes && sizes.min_bytes <= sizes.normal_bytes &&
                       sizes.normal_bytes <= sizes.max_bytes && sizes.max_bytes <= kMaxBytesCeiling;
  if (!ordered) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("chunk sizes {} / {} / {} are not ascending between {} and {} bytes",
                            sizes.min_bytes, sizes.normal_bytes, sizes.max_bytes, kMinBytesFloor,
                            kMaxBytesCeiling));
  }
  if (!std::has_single_bit(sizes.normal_bytes)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("normal chunk size {} is not a power of two", sizes.normal_bytes));
  }
  return {};
}

GearTable GearTable::from_key(const crypto::Secret& chunker_key) {
  GearTable table;
  std::array<std::uint8_t, sizeof table.words> raw;
  crypto::blake3_keyed_xof(crypto::derive_key("backstay v1 gear table", chunker_key.view()),
                           as_bytes("gear"), raw);
  for (std::size_t i = 0; i < table.words.size(); ++i) {
    table.words[i] = load_le<std::uint32_t>(raw.data() + i * sizeof(std::uint32_t));
  }
  crypto::wipe(raw);
  return table;
}

ContentChunker::ContentChunker(const GearTable& table, const CutSizes& sizes)
    : table_(table), sizes_(sizes) {
  ASSERT(validate(sizes).has_value());
  const int bits = std::countr_zero(sizes.normal_bytes);
  strict_below_ = 1U << (32 - (bits + 2));
  loose_below_ = 1U << (32 - (bits - 2));
}

std::size_t ContentChunker::find_end(ByteView data, bool at_end, std::size_t& searched) const {
  // Positions count from the chunk's start; one is known when all bytes before it are there.
  const std::size_t known_end = std::min<std::size_t>(data.size(), sizes_.max_bytes) + 1;
  const std::size_t normal = std::min<std::size_t>(sizes_.normal_bytes, known_end);
  const GearScan strict{table_.words.data(), data.data(), strict_below_};
  const GearScan loose{table_.words.data(), data.data(), loose_below_};
  std::size_t end =
      first_candidate(strict, std::max<std::size_t>(searched, sizes_.min_bytes), normal);
  if (end == kNowhere) end = first_candidate(loose, std::max(searched, normal), known_end);
  searched = known_end;
  if (end != kNowhere) return end;
  if (data.size() >= sizes_.max_bytes) return sizes_.max_bytes;
  return at_end ? data.size() : 0;
}

std::size_t ContentChunker::cut(ByteView data, bool at_end,
                                std::vector<std::uint32_t>& lengths) const {
  std::size_t start = 0;
  while (start < data.size()) {
    std::size_t searched = 0;
    const std::size_t length = find_end(data.subspan(start), at_end, searched);
    if (length == 0) break;
    lengths.push_back(static_cast<std::uint32_t>(length));
    start += length;
  }
  return start;
}

std::size_t cut_fixed(ByteView data, std::uint32_t piece_bytes, bool at_end,
                      std::vector<std::uint32_t>& lengths) {
  ASSERT(piece_bytes > 0);
  const std::size_t whole = data.size() / piece_bytes;
  const std::size_t left_over = data.size() % piece_bytes;
  lengths.insert(lengths.end(), whole, piece_bytes);
  if (at_end && left_over > 0) lengths.push_back(static_cast<std::uint32_t>(left_over));
  return at_end ? data.size() : data.size() - left_over;
}

}  // namespace backstay::chunk
