// What lies in one store of an object: docs/placement-format.md section 3.
//
// A header of 128 bytes, then the payload in blocks of 64 KiB, each followed by 16 bytes of its
// hash. So a reader knows a damaged part from a whole one by itself, also where it wants a few
// bytes only, and takes another. All copies of an object are the same bytes; shards (shard.h) are
// parts of which several are needed.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/placement/block_hash.h"
#include "backend/placement/map.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/streamed_bytes.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {

inline constexpr std::size_t kHeaderBytes = 128;
using Nonce = StrongId<struct PartNonceTag, 16>;

// What was created: the bytes, and by whom. The same bytes of two creators are two values.
struct ValueId {
  crypto::Digest hash;
  Nonce nonce;
  friend auto operator<=>(const ValueId&, const ValueId&) = default;
};

struct PartHeader {
  Redundancy geometry;  // of a copy {1, 0}: how many there are is the map's business
  unsigned index = 0;
  std::uint64_t object_bytes = 0;
  std::uint64_t payload_bytes = 0;
  ValueId value;
};

[[nodiscard]] std::uint64_t part_bytes(std::uint64_t payload_bytes);
// The payload of a part of that length; nothing where no part is that long.
[[nodiscard]] std::optional<std::uint64_t> payload_of(std::uint64_t part_bytes);

// A copy, ready to be put. The pieces refer to it and to what it was made of.
struct Copy {
  ValueId value;
  Bytes header;
  Bytes hashes;
  std::vector<ByteView> pieces;
};
[[nodiscard]] Copy make_copy(std::string_view name, std::span<const ByteView> pieces,
                             const Nonce& nonce);
[[nodiscard]] Nonce new_nonce(Rng& rng);

// The same of bytes that are not in memory at once: `inner` outlives it, and so do the streams
// that it gives. Reads all of `inner` once to begin with, and once for each stream.
class StreamedCopy {
 public:
  static Result<StreamedCopy> make(std::string_view name, const StreamedBytes& inner,
                                   const Nonce& nonce);
  [[nodiscard]] const ValueId& value() const { return value_; }
  // One at a time.
  [[nodiscard]] StreamedBytes stream();

 private:
  StreamedCopy(std::string_view name, const StreamedBytes& inner) : name_(name), inner_(inner) {}
  Result<ByteView> piece_at(std::uint64_t offset);
  Result<void> fill_block(std::uint64_t block);

  std::string name_;
  const StreamedBytes& inner_;
  ValueId value_;
  Bytes header_;
  Bytes block_;              // with its hash
  ByteView rest_;            // of the last piece of inner_
  std::uint64_t taken_ = 0;  // of inner_
};

[[nodiscard]] Bytes encode_header(std::string_view name, const PartHeader& header);
// Of the first kHeaderBytes of a copy of `name`. corruption when it is none, or another's.
Result<PartHeader> decode_header(std::string_view name, ByteView bytes);
// The same of a copy or a shard.
Result<PartHeader> decode_part_header(std::string_view name, ByteView bytes);

// The object of a whole copy. corruption unless every byte is as it was written.
struct OpenedCopy {
  PartHeader header;
  Bytes bytes;
};
Result<OpenedCopy> open_copy(std::string_view name, Bytes part);
// The payload of a whole part of which `data` are needed; the object's hash shows in copies only.
Result<OpenedCopy> open_part(std::string_view name, Bytes part, unsigned data);

// Bytes of a payload of `payload_bytes`, checked block by block; corruption also when they are
// not all within.
Result<void> read_payload(Backend& store, std::string_view stored_name, std::string_view name,
                          std::uint64_t payload_bytes, std::uint64_t offset, MutableByteView out);

}  // namespace backstay::backend::placement
