#include "repo/index_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/try.h"
#include "crypto/aead.h"
#include "repo/run_layout.h"

namespace backstay::repo {

namespace {

constexpr std::uint64_t kBodyMax = 4ULL << 30;
constexpr std::uint32_t kRawLengthMask = (1U << kRawLengthBits) - 1;
constexpr unsigned kFilterBitsPerEntry = 12;
constexpr unsigned kFilterProbes = 6;

IndexRun::Entry decode_entry(ByteView raw) {
  IndexRun::Entry entry;
  std::memcpy(entry.id.data(), raw.data(), entry.id.size());
  entry.pack = load_le<std::uint32_t>(&raw[20]);
  entry.frame_offset = load_le<std::uint32_t>(&raw[24]);
  entry.sealed_length = load_le<std::uint32_t>(&raw[28]);
  const std::uint32_t raw_and_codec = load_le<std::uint32_t>(&raw[32]);
  entry.raw_length = raw_and_codec & kRawLengthMask;
  entry.codec = static_cast<compress::Codec>(raw_and_codec >> kRawLengthBits);
  entry.offset_in_frame = load_le<std::uint32_t>(&raw[36]);
  return entry;
}

// The leading 64 bits in the order of comparison: ids are uniform, so this says where to look.
std::uint64_t leading_bits(const std::uint8_t* id) {
  return __builtin_bswap64(load_le<std::uint64_t>(id));
}

// The block of the filter and the six bits in it, from the last 16 bytes of the id: 64 bits for the
// block, 54 for the bits.
struct FilterProbe {
  std::size_t block;
  std::array<std::uint64_t, 8> bits{};
  FilterProbe(const IdPrefix& id, std::size_t blocks)
      : block(static_cast<std::size_t>(
            (static_cast<unsigned __int128>(load_le<std::uint64_t>(&id[12])) * blocks) >> 64)) {
    std::uint64_t source = load_le<std::uint64_t>(&id[4]);
    for (unsigned i = 0; i < kFilterProbes; ++i) {
      bits[source & 7] |= 1ULL << ((source >> 3) & 63);
      source >>= 9;
    }
  }
};

// A frame within its pack, a chunk that begins within its frame.
bool is_possible(const IndexRun::Entry& entry, std::uint64_t pack_size) {
  return static_cast<unsigned>(entry.codec) <= 1 && entry.raw_length <= kFrameMax &&
         entry.offset_in_frame < entry.raw_length && entry.sealed_length > crypto::kTagSize &&
         entry.frame_offset >= kHeaderSize &&
         std::uint64_t{entry.frame_offset} + entry.sealed_length <= pack_size;
}

std::size_t signature_size(ByteView body) {
  return load_le<std::uint32_t>(&body[kRunSignedAt]) == 1 ? kRunSignatureSize : 0;
}

Result<void> check_sizes(ByteView body) {
  if (body.size() < kRunHeadSize || as_text(body.first(8)) != kRunMagic ||
      load_le<std::uint32_t>(&body[8]) != kIndexEntrySize ||
      load_le<std::uint32_t>(&body[12]) != 0 || load_le<std::uint32_t>(&body[kRunSignedAt]) > 1 ||
      !all_zero(body.subspan(44, 20))) {
    return fail(ErrorCode::kCorruption, "the index run's head is damaged");
  }
  const std::uint64_t entries = load_le<std::uint64_t>(&body[16]);
  const std::uint64_t packs = load_le<std::uint32_t>(&body[24]);
  const std::uint64_t superseded = load_le<std::uint32_t>(&body[28]);
  if (entries > kBodyMax / kIndexEntrySize || body.size() > kBodyMax ||
      body.size() != kRunHeadSize + 32 * superseded + kPackRowSize * packs +
                         kIndexEntrySize * entries + signature_size(body)) {
    return fail(ErrorCode::kCorruption, "the index run's tables do not fill it");
  }
  return {};
}

}  // namespace

IdPrefix prefix_of(const chunk::ChunkId& id) {
  IdPrefix prefix;
  std::memcpy(prefix.data(), id.bytes.data(), prefix.size());
  return prefix;
}

Result<std::shared_ptr<const IndexRun>> IndexRun::open(ObjectId id,
                                                       std::unique_ptr<io::MappedFile> file,
                                                       ByteView body, RunTrust trust) {
  std::shared_ptr<IndexRun> run(new IndexRun);
  run->id_ = id;
  run->file_ = std::move(file);
  run->body_ = body;
  TRY(run->parse(trust));
  return run;
}

Result<std::shared_ptr<const IndexRun>> IndexRun::open(ObjectId id, Bytes body, RunTrust trust) {
  std::shared_ptr<IndexRun> run(new IndexRun);
  run->id_ = id;
  run->owned_ = std::move(body);
  run->body_ = run->owned_;
  TRY(run->parse(trust));
  return run;
}

Result<void> IndexRun::parse(RunTrust trust) {
  TRY(check_sizes(body_));
  entry_count_ = load_le<std::uint64_t>(&body_[16]);
  pack_count_ = load_le<std::uint32_t>(&body_[24]);
  const std::size_t superseded = load_le<std::uint32_t>(&body_[28]);
  generation_ = load_le<std::uint64_t>(&body_[32]);
  for (std::size_t i = 0; trust == RunTrust::kSupersedes && i < superseded; ++i) {
    supersedes_.push_back(TRY(ObjectId::from_bytes(body_.subspan(kRunHeadSize + 32 * i, 32))));
  }
  packs_ = body_.subspan(kRunHeadSize + 32 * superseded, kPackRowSize * pack_count_);
  entries_ = body_.subspan(kRunHeadSize + 32 * superseded + packs_.size(),
                           kIndexEntrySize * static_cast<std::size_t>(entry_count_));
  for (std::size_t i = 0; i < pack_count_; ++i) {
    const std::uint32_t kind = load_le<std::uint32_t>(&packs_[i * kPackRowSize + 40]);
    if (kind != 3 && kind != 4)
      return fail(ErrorCode::kCorruption, "the index names a pack of no kind");
    if (pack_size(i) > kPackMax || load_le<std::uint32_t>(&packs_[i * kPackRowSize + 44]) != 0) {
      return fail(ErrorCode::kCorruption, "the index names a pack of an absurd size");
    }
  }
  const std::uint8_t* before = nullptr;
  for (std::uint64_t i = 0; i < entry_count_; ++i) {
    const std::uint8_t* raw = entries_.data() + i * kIndexEntrySize;
    const Entry entry = decode_entry({raw, kIndexEntrySize});
    const bool ordered = before == nullptr || std::memcmp(before, raw, sizeof(IdPrefix)) <= 0;
    if (!ordered || entry.pack >= pack_count_ || !is_possible(entry, pack_size(entry.pack))) {
      return fail(ErrorCode::kCorruption, fmt::format("entry {} of the index run is damaged", i));
    }
    before = raw;
    pass(i);
  }
  build_filter();
  forget_pages();
  return {};
}

void IndexRun::build_filter() {
  const std::uint64_t bits = entry_count_ * kFilterBitsPerEntry;
  filter_.assign(static_cast<std::size_t>(bits / 512 + 1), {});
  for (std::uint64_t i = 0; i < entry_count_; ++i) {
    IdPrefix id;
    std::memcpy(id.data(), entries_.data() + i * kIndexEntrySize, id.size());
    const FilterProbe probe(id, filter_.size());
    for (std::size_t word = 0; word < 8; ++word) filter_[probe.block][word] |= probe.bits[word];
    pass(i);
  }
}

bool IndexRun::may_contain(const IdPrefix& id) const {
  const FilterProbe probe(id, filter_.size());
  std::uint64_t missing = 0;
  for (std::size_t word = 0; word < 8; ++word)
    missing |= probe.bits[word] & ~filter_[probe.block][word];
  return missing == 0;
}

ObjectId IndexRun::pack_id(std::size_t pack) const {
  return ObjectId::from_bytes(packs_.subspan(pack * kPackRowSize, 32)).value();
}
PackKind IndexRun::pack_kind(std::size_t pack) const {
  return static_cast<PackKind>(load_le<std::uint32_t>(&packs_[pack * kPackRowSize + 40]));
}
std::uint64_t IndexRun::pack_size(std::size_t pack) const {
  return load_le<std::uint64_t>(&packs_[pack * kPackRowSize + 32]);
}

ByteView IndexRun::raw_entry(std::uint64_t number) const {
  return entries_.subspan(static_cast<std::size_t>(number) * kIndexEntrySize, kIndexEntrySize);
}
IndexRun::Entry IndexRun::entry(std::uint64_t number) const {
  return decode_entry(raw_entry(number));
}

ChunkLocation IndexRun::location(const Entry& entry) const {
  return {.frame = {.pack = pack_id(entry.pack),
                    .pack_kind = pack_kind(entry.pack),
                    .offset = entry.frame_offset,
                    .sealed_length = entry.sealed_length,
                    .raw_length = entry.raw_length,
                    .codec = entry.codec},
          .offset_in_frame = entry.offset_in_frame};
}

// Interpolation search: ids are uniform, so each step guesses from the leading bits and a handful
// of steps is enough; after sixteen it falls back to halving, which bounds it for ids that an
// attacker chose.
std::optional<std::uint64_t> IndexRun::find(const IdPrefix& id) const {
  if (entry_count_ == 0 || !may_contain(id)) return std::nullopt;
  std::uint64_t low = 0;
  std::uint64_t high = entry_count_;
  std::uint64_t low_bits = 0;
  std::uint64_t high_bits = ~0ULL;
  const std::uint64_t wanted = leading_bits(id.data());
  for (unsigned step = 0; low < high; ++step) {
    std::uint64_t middle = low + (high - low) / 2;
    if (step < 16 && high_bits > low_bits && wanted >= low_bits && wanted <= high_bits) {
      const auto scaled = static_cast<unsigned __int128>(wanted - low_bits) * (high - low);
      middle =
          std::min(high - 1, low + static_cast<std::uint64_t>(scaled / (high_bits - low_bits)));
    }
    const std::uint8_t* at = entries_.data() + middle * kIndexEntrySize;
    if (std::memcmp(at, id.data(), id.size()) < 0) {
      low = middle + 1;
      low_bits = leading_bits(at);
    } else {
      high = middle;
      high_bits = leading_bits(at);
    }
  }
  if (low == entry_count_ ||
      std::memcmp(entries_.data() + low * kIndexEntrySize, id.data(), id.size()) != 0) {
    return std::nullopt;
  }
  return low;
}

}  // namespace backstay::repo
