// Bytes that need not be in memory all at once: whoever wants them asks for one piece after
// another.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/try.h"

namespace backstay {

struct StreamedBytes {
  std::uint64_t size = 0;
  // The piece that begins at `offset`, which is less than `size`: not empty, not beyond the end,
  // valid until the next call. Asked for in order, and perhaps all over again from 0.
  std::function<Result<ByteView>(std::uint64_t offset)> piece_at;
};

// The pieces one after another; they must outlive it.
inline StreamedBytes streamed(std::span<const ByteView> pieces) {
  std::uint64_t size = 0;
  for (const ByteView piece : pieces) size += piece.size();
  return {.size = size, .piece_at = [pieces](std::uint64_t offset) -> Result<ByteView> {
            for (const ByteView piece : pieces) {
              if (offset < piece.size()) return piece.subspan(static_cast<std::size_t>(offset));
              offset -= piece.size();
            }
            return fail(ErrorCode::kInternal, "asked for bytes beyond the end");
          }};
}

// Calls `each` with every piece in order until it fails.
template <typename Each>
Result<void> for_each_piece(const StreamedBytes& bytes, const Each& each) {
  for (std::uint64_t offset = 0; offset < bytes.size;) {
    const ByteView piece = TRY(bytes.piece_at(offset));
    ASSERT(!piece.empty() && piece.size() <= bytes.size - offset);
    TRY(each(piece));
    offset += piece.size();
  }
  return {};
}

// All of them in memory after all.
inline Result<Bytes> gathered(const StreamedBytes& bytes) {
  Bytes all;
  all.reserve(static_cast<std::size_t>(bytes.size));
  TRY(for_each_piece(bytes, [&](ByteView piece) -> Result<void> {
    append(all, piece);
    return {};
  }));
  return all;
}

}  // namespace backstay
