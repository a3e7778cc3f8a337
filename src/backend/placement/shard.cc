#include "backend/placement/shard.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/assert.h"
#include "base/try.h"
#include "erasure/erasure_code.h"

namespace backstay::backend::placement {
namespace {

// A megabyte of a part, with the hashes.
constexpr std::uint64_t kBlocksAtOnce = 16;

// An object from its beginning to its end, in runs of any length.
class Cursor {
 public:
  explicit Cursor(const StreamedBytes& object) : object_(object) {}
  void rewind() {
    taken_ = 0;
    rest_ = {};
  }
  Result<void> take(MutableByteView out) {
    while (!out.empty()) {
      if (rest_.empty()) rest_ = TRY(object_.piece_at(taken_));
      const std::size_t now = std::min(rest_.size(), out.size());
      std::copy_n(rest_.begin(), now, out.begin());
      rest_ = rest_.subspan(now);
      out = out.subspan(now);
      taken_ += now;
    }
    return {};
  }

 private:
  const StreamedBytes& object_;
  std::uint64_t taken_ = 0;
  ByteView rest_;  // of the last piece
};

class ShardStream {
 public:
  ShardStream(std::string name, const StreamedBytes& object, PartHeader header)
      : name_(std::move(name)),
        header_(header),
        header_bytes_(encode_header(name_, header)),
        stripes_{.object_bytes = header.object_bytes, .data = header.geometry.data},
        cursor_(object) {}

  Result<ByteView> piece_at(std::uint64_t offset) {
    if (offset < kHeaderBytes) {
      if (offset == 0) cursor_.rewind();
      return ByteView(header_bytes_).subspan(static_cast<std::size_t>(offset));
    }
    const std::uint64_t stripe = (offset - kHeaderBytes) / kBlockStride;
    const auto within = static_cast<std::size_t>((offset - kHeaderBytes) % kBlockStride);
    if (within == 0) TRY(fill(stripe));
    return ByteView(block_).subspan(within);
  }

 private:
  Result<void> fill(std::uint64_t stripe) {
    const std::size_t unit = stripes_.unit_of(stripe);
    const std::uint64_t begin = stripe * stripes_.full_bytes();
    const auto length =
        static_cast<std::size_t>(std::min(stripes_.full_bytes(), stripes_.object_bytes - begin));
    stripe_.assign(unit * stripes_.data, 0);
    TRY(cursor_.take(MutableByteView(stripe_).first(length)));
    block_.assign(unit, 0);
    const unsigned data = stripes_.data;
    if (header_.index < data) {
      std::copy_n(&stripe_[header_.index * unit], unit, block_.begin());
    } else {
      std::vector<erasure::Block> blocks;
      for (unsigned i = 0; i < data; ++i) blocks.push_back({i, &stripe_[i * unit]});
      const erasure::MutableBlock sum{header_.index - data, block_.data()};
      erasure::encode(unit, blocks, {&sum, 1});
    }
    BlockHash hash(name_, {.data = data, .index = header_.index}, stripe);
    hash.update(block_);
    hash.append_to(block_);
    return {};
  }

  std::string name_;
  PartHeader header_;
  Bytes header_bytes_;
  Stripes stripes_;
  Cursor cursor_;
  Bytes stripe_;
  Bytes block_;  // with its hash
};

std::unexpected<Error> damaged(std::string_view name, std::uint64_t block) {
  return fail(ErrorCode::kCorruption,
              fmt::format("the stored part of {} is damaged in block {}", name, block));
}

// Blocks as they lie in a store.
struct StoredBlocks {
  Stripes stripes;
  StripeRange range;
  Bytes bytes;
};

Result<StoredBlocks> read_stored(Backend& store, std::string_view name, const Stripes& stripes,
                                 const StripeRange& range) {
  StoredBlocks stored{.stripes = stripes, .range = range, .bytes = {}};
  if (range.count == 0) return stored;
  ASSERT(range.first + range.count <= stripes.count());
  const std::size_t last = stripes.unit_of(range.first + range.count - 1) + kBlockHashBytes;
  stored.bytes.resize(static_cast<std::size_t>((range.count - 1) * kBlockStride) + last);
  TRY(store.get_range(name, kHeaderBytes + range.first * kBlockStride, stored.bytes));
  return stored;
}

bool matches(std::string_view name, PartKind kind, std::uint64_t block, ByteView stored) {
  BlockHash hash(name, kind, block);
  hash.update(stored.first(stored.size() - kBlockHashBytes));
  return hash.matches(stored.last(kBlockHashBytes));
}

// Which part the block is of.
std::optional<unsigned> index_of(std::string_view name, unsigned data, std::uint64_t block,
                                 ByteView stored, unsigned guess) {
  if (matches(name, {.data = data, .index = guess}, block, stored)) return guess;
  for (unsigned index = 0; data > 1 && index < kShardsMax; ++index) {
    if (index != guess && matches(name, {.data = data, .index = index}, block, stored))
      return index;
  }
  return std::nullopt;
}

// Calls each(block) with the bytes of every block. The number of the part.
template <typename Each>
Result<unsigned> check_blocks(std::string_view name, const StoredBlocks& stored, unsigned guess,
                              const Each& each) {
  const unsigned data = stored.stripes.data;
  std::optional<unsigned> index;
  ByteView rest = stored.bytes;
  for (std::uint64_t i = 0; i < stored.range.count; ++i) {
    const std::uint64_t block = stored.range.first + i;
    const ByteView one = rest.first(stored.stripes.unit_of(block) + kBlockHashBytes);
    if (!index) index = index_of(name, data, block, one, guess);
    if (!index || !matches(name, {.data = data, .index = *index}, block, one))
      return damaged(name, block);
    each(one.first(one.size() - kBlockHashBytes));
    rest = rest.subspan(one.size());
  }
  return index.value_or(guess);
}

Stripes stripes_of(const PartHeader& header) {
  return {.object_bytes = header.object_bytes, .data = header.geometry.data};
}

}  // namespace

Result<PartHeader> ShardMaker::header_of(const StreamedBytes& object, unsigned data) {
  crypto::Blake3Stream whole;
  TRY(for_each_piece(object, [&](ByteView piece) -> Result<void> {
    whole.update(piece);
    return {};
  }));
  const Stripes stripes{.object_bytes = object.size, .data = data};
  return PartHeader{.geometry = {.data = data, .parity = 1},
                    .index = 0,
                    .object_bytes = object.size,
                    .payload_bytes = stripes.payload_bytes(),
                    .value = {.hash = whole.finish(), .nonce = {}}};
}

StreamedBytes ShardMaker::part(unsigned index) const {
  ASSERT(index < header_.geometry.width());
  PartHeader header = header_;
  header.index = index;
  const auto stream = std::make_shared<ShardStream>(name_, object_, header);
  return {.size = part_bytes(header.payload_bytes),
          .piece_at = [stream](std::uint64_t offset) { return stream->piece_at(offset); }};
}

Result<PartBlocks> read_part_blocks(Backend& store, std::string_view name, const Stripes& stripes,
                                    const StripeRange& range, unsigned guess) {
  const StoredBlocks stored = TRY(read_stored(store, name, stripes, range));
  PartBlocks blocks;
  blocks.bytes.reserve(stored.bytes.size());
  blocks.index =
      TRY(check_blocks(name, stored, guess, [&](ByteView block) { append(blocks.bytes, block); }));
  return blocks;
}

Result<PartHeader> read_whole_part(Backend& store, std::string_view name) {
  Bytes bytes(kHeaderBytes);
  TRY(store.get_range(name, 0, bytes));
  const PartHeader header = TRY(decode_part_header(name, bytes));
  if (payload_of(TRY(store.head(name)).size_bytes) != header.payload_bytes)
    return fail(ErrorCode::kCorruption, fmt::format("the stored part of {} is cut off", name));
  const Stripes stripes = stripes_of(header);
  crypto::Blake3Stream hash;
  for (std::uint64_t at = 0; at < stripes.count(); at += kBlocksAtOnce) {
    const StripeRange range{.first = at, .count = std::min(kBlocksAtOnce, stripes.count() - at)};
    const StoredBlocks stored = TRY(read_stored(store, name, stripes, range));
    const unsigned index =
        TRY(check_blocks(name, stored, header.index, [&](ByteView block) { hash.update(block); }));
    if (index != header.index) return damaged(name, at);
  }
  if (header.geometry.data == 1 && hash.finish() != header.value.hash) {
    return fail(ErrorCode::kCorruption,
                fmt::format("the stored part of {} does not match the hash of the object", name));
  }
  return header;
}

StreamedBytes stream_of_part(Backend& store, std::string name, PartHeader header) {
  struct Reader {
    Backend& store;
    std::string name;
    PartHeader header;
    Bytes bytes = {};
    Result<ByteView> piece_at(std::uint64_t offset) {
      if (offset < kHeaderBytes) {
        bytes = encode_header(name, header);
        return ByteView(bytes).subspan(static_cast<std::size_t>(offset));
      }
      const Stripes stripes = stripes_of(header);
      const std::uint64_t block = (offset - kHeaderBytes) / kBlockStride;
      const auto within = static_cast<std::size_t>((offset - kHeaderBytes) % kBlockStride);
      const StripeRange range{.first = block,
                              .count = std::min(kBlocksAtOnce, stripes.count() - block)};
      StoredBlocks stored = TRY(read_stored(store, name, stripes, range));
      const unsigned index = TRY(check_blocks(name, stored, header.index, [](ByteView) {}));
      if (index != header.index) return damaged(name, block);
      bytes = std::move(stored.bytes);
      return ByteView(bytes).subspan(within);
    }
  };
  const auto reader = std::make_shared<Reader>(Reader{store, std::move(name), header});
  return {.size = part_bytes(header.payload_bytes),
          .piece_at = [reader](std::uint64_t offset) { return reader->piece_at(offset); }};
}

}  // namespace backstay::backend::placement
