// Where the bytes of a file are: a list of extents that cover it from 0 to its size
// (docs/format.md section 6.3). Long lists are kept in list chunks, in levels, so that an entry
// stays small.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "chunk/chunk.h"

namespace backstay::snapshot {

enum class ExtentKind : std::uint8_t {
  kChunk = 0,  // bytes of a chunk
  kHole = 1,   // nothing allocated: reads as zeros
  kZeros = 2,  // allocated zeros
  kList = 3,   // a list chunk that holds more extents; only inside ContentRoot levels >= 1
};

struct Extent {
  ExtentKind kind = ExtentKind::kChunk;
  std::uint64_t length = 0;       // bytes of the file that it covers
  chunk::ChunkId id;              // kChunk and kList
  std::uint32_t list_length = 0;  // kList: bytes of the list chunk
  friend bool operator==(const Extent&, const Extent&) = default;
};

// What an entry holds: level 0 has the extents themselves, higher levels hold kList extents.
struct ContentRoot {
  std::uint8_t level = 0;
  std::vector<Extent> extents;
  friend bool operator==(const ContentRoot&, const ContentRoot&) = default;
};

inline constexpr std::size_t kInlineContentMax = 4096;  // encoded bytes
inline constexpr std::uint8_t kContentLevelMax = 8;

// The longest hole or run of zeros that one extent can say; longer ones take several.
inline constexpr std::uint64_t kExtentLengthMax = (std::uint64_t{1} << 62) - 1;
inline constexpr std::uint32_t kChunkLengthMax = 16 * 1024 * 1024;  // also of list chunks

void encode_content(const ContentRoot& content, Bytes& out);
[[nodiscard]] std::size_t encoded_content_bytes(const ContentRoot& content);
// Decodes what an entry holds: at most kInlineContentMax bytes.
Result<ContentRoot> decode_content(ByteView encoded);
// The sum of the lengths; nothing when it does not fit 64 bits.
[[nodiscard]] std::optional<std::uint64_t> covered_bytes(const ContentRoot& content);

// Collects the extents of one file in order and gives its root at the end. Adjacent holes and
// adjacent zeros are joined. Memory is bounded: full lists are written as chunks at once. After a
// failure the builder is of no further use. Not thread-safe.
class ContentBuilder {
 public:
  explicit ContentBuilder(chunk::ChunkWriter& lists) : lists_(lists) {}
  // The next extent of the file: chunks, holes or zeros, never empty (invalid_argument).
  Result<void> add(const Extent& extent);
  Result<ContentRoot> finish();
  [[nodiscard]] std::uint64_t length() const { return length_; }

 private:
  // The open list of one level. Its items are held back until it is known that they do not fit an
  // entry; from then on lists are cut off as they fill.
  struct Level {
    std::vector<Extent> held;
    bool cutting = false;
    Bytes encoded;  // the open list chunk, level byte included
    std::size_t items = 0;
    std::uint64_t covered = 0;
  };
  Result<void> flush_pending();
  Result<void> append(std::size_t level, const Extent& extent);
  Result<void> cut(std::size_t level, const Extent& extent);
  Result<void> close(std::size_t level);

  chunk::ChunkWriter& lists_;
  std::vector<Level> levels_;
  Extent pending_{};  // a hole or zeros that may still grow; nothing when its length is 0
  std::uint64_t length_ = 0;
};

// Calls `each` for the extents in file order with their offsets, reading list chunks as needed.
// Fails with corruption when lists are nested too deep, cover a different length than they say, or
// the sum is not `size_bytes`.
Result<void> for_each_extent(
    const ContentRoot& content, std::uint64_t size_bytes, chunk::ChunkReader& lists,
    const std::function<Result<void>(std::uint64_t offset, const Extent& extent)>& each);

// All that the content refers to, in file order, a list before what it holds.
struct ContentVisitor {
  // False: what the list holds is left out.
  std::function<Result<bool>(const chunk::ChunkRef& list)> list;
  std::function<Result<void>(const Extent& extent)> extent;
};
// Fails as for_each_extent() does.
Result<void> walk_content(const ContentRoot& content, std::uint64_t size_bytes,
                          chunk::ChunkReader& lists, const ContentVisitor& visitor);

// Calls `each` for every list chunk that the content refers to, outermost first (for check). Lists
// that hold no further lists are not read.
Result<void> for_each_list_chunk(const ContentRoot& content, chunk::ChunkReader& lists,
                                 const std::function<Result<void>(const chunk::ChunkRef&)>& each);

}  // namespace backstay::snapshot
