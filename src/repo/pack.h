// Packs: frames of chunks with a directory at the end (docs/format.md section 5.4).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"
#include "chunk/chunk.h"
#include "repo/config.h"
#include "repo/index_run.h"
#include "repo/key_slot.h"
#include "repo/location.h"

namespace backstay::repo {

inline constexpr std::size_t kPackTrailerSize = 16;
inline constexpr std::uint32_t kPackDirectoryMax = 256 * 1024 * 1024;  // sealed

struct FrameRecord {
  std::uint32_t sealed_length = 0;
  std::uint32_t raw_length = 0;
  compress::Codec codec = compress::Codec::kStored;
  std::vector<chunk::ChunkRef> chunks;
};

struct PackDirectory {
  std::uint32_t prefix_size = kHeaderSize;  // where the first frame is; not part of the encoding
  std::vector<FrameRecord> frames;
  std::uint64_t padding = 0;
};
void encode_directory(const PackDirectory& directory, Bytes& out);
// Checks every rule of section 5.4 that can be checked without the frames.
Result<PackDirectory> decode_directory(ByteView plaintext);

// Reads the directory of a whole pack in memory, authenticated; offsets fit the pack exactly.
struct PackView {
  Header header;
  crypto::Secret key;
  PackDirectory directory;
};
Result<PackView> open_pack(ByteView stored, PackKind kind, const Keyring& keyring,
                           const RepositoryId& repository);

// The same of a pack of which only the header and the end were read: the directory alone, so that a
// pack that no index run knows is found again at the price of three small reads.
Result<PackDirectory> open_directory(ByteView header, ByteView sealed_directory,
                                     std::uint64_t pack_size, PackKind kind, const Keyring& keyring,
                                     const RepositoryId& repository);
// The length of the sealed directory, from the last bytes of a pack of this size.
Result<std::uint32_t> directory_length(ByteView trailer, std::uint64_t pack_size);

// What a pack with this directory brings into the index.
[[nodiscard]] PackEntries index_entries(const PackDirectory& directory, const ObjectId& pack,
                                        PackKind kind, std::uint64_t size_bytes);

// Where the frames of a pack with this directory are, in its order.
[[nodiscard]] std::vector<FrameLocation> frame_locations(const PackDirectory& directory,
                                                         const ObjectId& pack, PackKind kind);

// Decrypts and decodes one frame. `sealed` is what stands at `offset` of the pack.
class FrameDecoder {
 public:
  FrameDecoder();
  ~FrameDecoder();
  FrameDecoder(FrameDecoder&&) noexcept;
  Result<Bytes> decode(ByteView sealed, const FrameLocation& frame, crypto::Suite suite,
                       const crypto::Secret& pack_key);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backstay::repo
