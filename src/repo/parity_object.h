// Parity objects: shards of groups of packs, copies of small objects, and the wish (docs/format.md
// section 10.1). None of it needs a key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "repo/location.h"
#include "repo/object.h"

namespace backstay::repo {

inline constexpr unsigned kParityShardsMax = 16;
inline constexpr unsigned kParitySlotsMax = 200;
inline constexpr std::uint32_t kParityBlockStep = 4096;
inline constexpr std::uint32_t kParityBlockMax = 1024 * 1024;
inline constexpr std::size_t kParityRemovalsMax = 16 * 1024;  // in one object
inline constexpr std::uint64_t kParityPayloadMax = std::uint64_t{64} << 20;

using ParityGroupId = StrongId<struct ParityGroupIdTag, 16>;
using BlockDigest = StrongId<struct BlockDigestTag, 16>;
[[nodiscard]] BlockDigest block_digest(ByteView block);

enum class ParityType : std::uint8_t { kShard = 1, kCopies = 2, kRemovals = 3 };

struct ParityMember {
  unsigned slot = 0;
  PackKind kind = PackKind::kData;
  ObjectId pack;
  std::uint64_t size_bytes = 0;
  friend bool operator==(const ParityMember&, const ParityMember&) = default;
};
struct ParityCopy {
  std::string name;
  std::uint64_t size_bytes = 0;
  crypto::Digest digest;
  friend bool operator==(const ParityCopy&, const ParityCopy&) = default;
};

struct ParityDirectory {
  ParityType type = ParityType::kShard;
  unsigned number = 0;
  std::uint64_t payload_bytes = 0;
  // Of shards.
  unsigned shards = 0;
  unsigned slots = 0;
  std::uint32_t block_bytes = 0;
  crypto::Digest digests;             // of the block digests
  std::vector<ParityMember> members;  // by slot
  // Of copies.
  std::vector<ParityCopy> copies;
  // Of removals.
  std::vector<ObjectId> removed;
  friend bool operator==(const ParityDirectory&, const ParityDirectory&) = default;

  [[nodiscard]] std::uint64_t blocks_in(std::uint64_t bytes) const {
    return (bytes + block_bytes - 1) / block_bytes;
  }
  // How many block digests there are; those of a member, or of a shard, begin at a number.
  [[nodiscard]] std::uint64_t digest_count() const;
  [[nodiscard]] ParityGroupId group() const;
};

// What stands before the payload, whole, and where the rest is.
struct ParityHead {
  RepositoryId repository;
  ParityDirectory directory;
  std::uint64_t digests_at = 0;
  std::uint64_t payload_at = 0;
};

void encode_parity_directory(const ParityDirectory& directory, Bytes& out);
Result<ParityDirectory> decode_parity_directory(ByteView record);

// Everything before the payload. `digests` are those that the directory names.
[[nodiscard]] Bytes encode_parity_head(const ParityDirectory& directory,
                                       const RepositoryId& repository,
                                       const std::vector<BlockDigest>& digests);
// How long header and directory are, by the first kParityStart bytes.
inline constexpr std::size_t kParityStart = kHeaderSize + 16;
Result<std::size_t> parity_head_length(ByteView start);
// From these, of an object of this size.
Result<ParityHead> decode_parity_head(ByteView bytes, std::uint64_t size);
Result<std::vector<BlockDigest>> decode_block_digests(ByteView bytes,
                                                      const ParityDirectory& directory);

// Of the object of this name: small reads.
Result<ParityHead> read_parity_head(backend::Backend& store, const std::string& name,
                                    std::uint64_t size);
Result<std::vector<BlockDigest>> read_block_digests(backend::Backend& store,
                                                    const std::string& name,
                                                    const ParityHead& head);

// ---- the wish
struct ParityWish {
  std::uint64_t number = 0;      // 0: nobody has ever asked
  std::uint32_t hundredths = 0;  // of a percent of the packs; 0: none
  unsigned shards = 2;
  unsigned slots = 40;
  Timestamp time;
  [[nodiscard]] bool wanted() const { return hundredths > 0; }
  friend bool operator==(const ParityWish&, const ParityWish&) = default;
};
[[nodiscard]] Bytes encode_parity_wish(const ParityWish& wish, const RepositoryId& repository);
Result<ParityWish> decode_parity_wish(ByteView stored, const RepositoryId& repository,
                                      std::uint64_t number);
// The one that counts. corruption when it is damaged.
Result<ParityWish> read_parity_wish(backend::Backend& store, const RepositoryId& repository);
// With the next number, durable when it returns; removes older ones where that is allowed.
// conflict when somebody else took the number.
Result<ParityWish> store_parity_wish(backend::Backend& store, const RepositoryId& repository,
                                     ParityWish wish);

}  // namespace backstay::repo
