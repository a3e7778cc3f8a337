#include "backend/placement/part.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/stripes.h"
#include "base/assert.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kPartMagic = "BKSTPRT1";
constexpr std::size_t kStride = kBlockStride;
constexpr PartKind kCopy{};
constexpr std::size_t kHashedHeaderBytes = 96;

std::unexpected<Error> damaged_part(std::string_view name, std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("the stored part of {} {}", name, what));
}

std::uint64_t blocks_of(std::uint64_t payload_bytes) {
  return (payload_bytes + kBlockBytes - 1) / kBlockBytes;
}

Bytes name_mark(std::string_view name) {
  return to_owned(crypto::blake3(as_bytes(name)).view().first(16));
}

// A copy does not say how many there are of it: that is the map's business and may change.
PartHeader header_of_copy(std::uint64_t size, const ValueId& value) {
  return {.geometry = {.data = 1, .parity = 0},
          .index = 0,
          .object_bytes = size,
          .payload_bytes = size,
          .value = value};
}

}  // namespace

std::uint64_t part_bytes(std::uint64_t payload_bytes) {
  return kHeaderBytes + payload_bytes + kBlockHashBytes * blocks_of(payload_bytes);
}

std::optional<std::uint64_t> payload_of(std::uint64_t part_bytes) {
  if (part_bytes < kHeaderBytes) return std::nullopt;
  const std::uint64_t rest = part_bytes - kHeaderBytes;
  const std::uint64_t last = rest % kStride;
  if (last != 0 && last <= kBlockHashBytes) return std::nullopt;
  return rest / kStride * kBlockBytes + (last == 0 ? 0 : last - kBlockHashBytes);
}

Bytes encode_header(std::string_view name, const PartHeader& header) {
  Bytes out = to_owned(as_bytes(kPartMagic));
  out.push_back(static_cast<std::uint8_t>(header.geometry.data));
  out.push_back(static_cast<std::uint8_t>(header.geometry.parity));
  out.push_back(static_cast<std::uint8_t>(header.index));
  out.push_back(0);
  append_le<std::uint32_t>(out, kBlockBytes);
  append_le<std::uint64_t>(out, header.object_bytes);
  append_le<std::uint64_t>(out, header.payload_bytes);
  append(out, header.value.hash.view());
  append(out, header.value.nonce.view());
  append(out, name_mark(name));
  ASSERT(out.size() == kHashedHeaderBytes);
  append(out, crypto::blake3(out).view());
  return out;
}

Nonce new_nonce(Rng& rng) {
  Nonce nonce;
  rng.fill(nonce.bytes);
  return nonce;
}

Copy make_copy(std::string_view name, std::span<const ByteView> pieces, const Nonce& nonce) {
  crypto::Blake3Stream whole;
  std::uint64_t size = 0;
  for (const ByteView piece : pieces) {
    whole.update(piece);
    size += piece.size();
  }
  Copy copy{
      .value = {.hash = whole.finish(), .nonce = nonce}, .header = {}, .hashes = {}, .pieces = {}};
  copy.header = encode_header(name, header_of_copy(size, copy.value));
  // Reserved, because the pieces refer to it.
  copy.hashes.reserve(static_cast<std::size_t>(blocks_of(size)) * kBlockHashBytes);
  copy.pieces.push_back(copy.header);
  std::optional<BlockHash> hash;
  std::size_t in_block = 0;
  std::uint64_t block = 0;
  std::uint64_t done = 0;
  for (ByteView piece : pieces) {
    while (!piece.empty()) {
      if (!hash) hash.emplace(name, kCopy, block++);
      const ByteView part = piece.first(std::min(piece.size(), kBlockBytes - in_block));
      hash->update(part);
      copy.pieces.push_back(part);
      in_block += part.size();
      done += part.size();
      piece = piece.subspan(part.size());
      if (in_block < kBlockBytes && done < size) continue;
      hash->append_to(copy.hashes);
      copy.pieces.push_back(ByteView(copy.hashes).last(kBlockHashBytes));
      hash.reset();
      in_block = 0;
    }
  }
  return copy;
}

Result<StreamedCopy> StreamedCopy::make(std::string_view name, const StreamedBytes& inner,
                                        const Nonce& nonce) {
  StreamedCopy copy(name, inner);
  crypto::Blake3Stream whole;
  TRY(for_each_piece(inner, [&](ByteView piece) -> Result<void> {
    whole.update(piece);
    return {};
  }));
  copy.value_ = {.hash = whole.finish(), .nonce = nonce};
  copy.header_ = encode_header(name, header_of_copy(inner.size, copy.value_));
  return copy;
}

StreamedBytes StreamedCopy::stream() {
  return {.size = part_bytes(inner_.size),
          .piece_at = [this](std::uint64_t offset) { return piece_at(offset); }};
}

Result<ByteView> StreamedCopy::piece_at(std::uint64_t offset) {
  if (offset < kHeaderBytes) {
    if (offset == 0) {
      taken_ = 0;
      rest_ = {};
    }
    return ByteView(header_).subspan(static_cast<std::size_t>(offset));
  }
  const std::uint64_t block = (offset - kHeaderBytes) / kStride;
  const std::size_t within = static_cast<std::size_t>((offset - kHeaderBytes) % kStride);
  if (within == 0) TRY(fill_block(block));
  return ByteView(block_).subspan(within);
}

Result<void> StreamedCopy::fill_block(std::uint64_t block) {
  block_.clear();
  ASSERT(block * kBlockBytes == taken_);
  const std::uint64_t end = std::min(inner_.size, taken_ + kBlockBytes);
  while (taken_ < end) {
    if (rest_.empty()) rest_ = TRY(inner_.piece_at(taken_));
    const ByteView part =
        rest_.first(static_cast<std::size_t>(std::min<std::uint64_t>(rest_.size(), end - taken_)));
    append(block_, part);
    rest_ = rest_.subspan(part.size());
    taken_ += part.size();
  }
  BlockHash hash(name_, kCopy, block);
  hash.update(block_);
  hash.append_to(block_);
  return {};
}

Result<PartHeader> decode_part_header(std::string_view name, ByteView bytes) {
  if (bytes.size() < kHeaderBytes) return damaged_part(name, "is too short");
  const ByteView hashed = bytes.first(kHashedHeaderBytes);
  if (!same_bytes(crypto::blake3(hashed).view(), bytes.subspan(kHashedHeaderBytes, 32)))
    return damaged_part(name, "has a damaged header");
  if (as_text(bytes.first(8)) != kPartMagic) return damaged_part(name, "is of an unknown kind");
  if (!same_bytes(bytes.subspan(80, 16), name_mark(name)))
    return damaged_part(name, "belongs to another object");
  PartHeader header;
  header.geometry = {.data = bytes[8], .parity = bytes[9]};
  header.index = bytes[10];
  header.object_bytes = load_le<std::uint64_t>(bytes.data() + 16);
  header.payload_bytes = load_le<std::uint64_t>(bytes.data() + 24);
  header.value.hash = TRY(crypto::Digest::from_bytes(bytes.subspan(32, 32)));
  header.value.nonce = TRY(Nonce::from_bytes(bytes.subspan(64, 16)));
  const bool copy = header.geometry == Redundancy{.data = 1, .parity = 0} && header.index == 0;
  const bool shard = header.geometry.data > 1 && header.geometry.parity >= 1 &&
                     header.geometry.width() <= kShardsMax &&
                     header.index < header.geometry.width();
  const Stripes stripes{.object_bytes = header.object_bytes, .data = header.geometry.data};
  if ((!copy && !shard) || header.payload_bytes != stripes.payload_bytes() || bytes[11] != 0 ||
      load_le<std::uint32_t>(bytes.data() + 12) != kBlockBytes)
    return damaged_part(name, "is laid out in a way that this version does not know");
  return header;
}

Result<PartHeader> decode_header(std::string_view name, ByteView bytes) {
  PartHeader header = TRY(decode_part_header(name, bytes));
  if (header.geometry.data > 1) return damaged_part(name, "is a shard where copies belong");
  return header;
}

Result<OpenedCopy> open_copy(std::string_view name, Bytes part) {
  return open_part(name, std::move(part), 1);
}

Result<OpenedCopy> open_part(std::string_view name, Bytes part, unsigned data) {
  OpenedCopy opened{.header = TRY(decode_part_header(name, part)), .bytes = {}};
  if (opened.header.geometry.data != data)
    return damaged_part(name, "is laid out in another way than the map says");
  const PartKind kind{.data = data, .index = opened.header.index};
  if (payload_of(part.size()) != opened.header.payload_bytes)
    return damaged_part(name, "has another length than its header says");
  Bytes& bytes = opened.bytes;
  bytes.reserve(static_cast<std::size_t>(opened.header.payload_bytes));
  ByteView rest = ByteView(part).subspan(kHeaderBytes);
  for (std::uint64_t block = 0; !rest.empty(); ++block) {
    const std::size_t stride = std::min(rest.size(), kStride);
    const ByteView block_bytes = rest.first(stride - kBlockHashBytes);
    BlockHash hash(name, kind, block);
    hash.update(block_bytes);
    if (!hash.matches(rest.subspan(block_bytes.size(), kBlockHashBytes)))
      return damaged_part(name, fmt::format("is damaged in block {}", block));
    append(bytes, block_bytes);
    rest = rest.subspan(stride);
  }
  if (data == 1 && crypto::blake3(bytes) != opened.header.value.hash)
    return damaged_part(name, "does not match the hash of the object");
  return opened;
}

Result<void> read_payload(Backend& store, std::string_view stored_name, std::string_view name,
                          std::uint64_t payload_bytes, std::uint64_t offset, MutableByteView out) {
  if (offset > payload_bytes || out.size() > payload_bytes - offset) {
    return damaged_part(
        name, fmt::format("ends at {}, before {} + {} bytes", payload_bytes, offset, out.size()));
  }
  if (out.empty()) return {};
  // Not more than a megabyte at once: what is read has other blocks' ends besides.
  constexpr std::uint64_t kBlocksAtOnce = 16;
  const std::uint64_t end = offset + out.size();
  Bytes buffer;
  for (std::uint64_t block = offset / kBlockBytes; block * kBlockBytes < end;) {
    const std::uint64_t last = std::min((end - 1) / kBlockBytes + 1, block + kBlocksAtOnce);
    const std::uint64_t from = block * kBlockBytes;
    const std::uint64_t to = std::min(payload_bytes, last * kBlockBytes);
    buffer.resize(static_cast<std::size_t>(to - from + (last - block) * kBlockHashBytes));
    TRY(store.get_range(stored_name, kHeaderBytes + block * kStride, buffer));
    ByteView rest = buffer;
    for (; block < last; ++block) {
      const std::size_t stride = std::min(rest.size(), kStride);
      const ByteView data = rest.first(stride - kBlockHashBytes);
      BlockHash hash(name, kCopy, block);
      hash.update(data);
      if (!hash.matches(rest.subspan(data.size(), kBlockHashBytes)))
        return damaged_part(name, fmt::format("is damaged in block {}", block));
      const std::uint64_t begins = block * kBlockBytes;
      const std::uint64_t first = std::max(begins, offset);
      const std::uint64_t until = std::min(begins + data.size(), end);
      std::ranges::copy(data.subspan(static_cast<std::size_t>(first - begins),
                                     static_cast<std::size_t>(until - first)),
                        out.begin() + static_cast<std::ptrdiff_t>(first - offset));
      rest = rest.subspan(stride);
    }
  }
  return {};
}

}  // namespace backstay::backend::placement
