// Where a chunk is.
#pragma once

#include <cstdint>

#include "base/strong_id.h"
#include "compress/zstd_codec.h"
#include "repo/object.h"

namespace backstay::repo {

enum class PackKind : std::uint8_t { kData = 3, kMeta = 4 };
[[nodiscard]] inline ObjectKind object_kind(PackKind kind) {
  return static_cast<ObjectKind>(kind);
}

// A frame in a pack.
struct FrameLocation {
  ObjectId pack;
  PackKind pack_kind = PackKind::kData;
  std::uint32_t offset = 0;         // in the pack
  std::uint32_t sealed_length = 0;  // with the tag
  std::uint32_t raw_length = 0;
  compress::Codec codec = compress::Codec::kStored;
  friend bool operator==(const FrameLocation&, const FrameLocation&) = default;
};

struct ChunkLocation {
  FrameLocation frame;
  std::uint32_t offset_in_frame = 0;  // in the plaintext
};

}  // namespace backstay::repo
