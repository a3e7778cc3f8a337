// A hostile frame is decoded to exactly the stated size or refused; nothing is written beside that.
// Input: u32 plaintext size (taken modulo 1 MiB), then the frame.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/byte_size.h"
#include "compress/zstd_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  if (size < sizeof(std::uint32_t)) return 0;
  const ByteView frame(data + sizeof(std::uint32_t), size - sizeof(std::uint32_t));
  // Of exactly that size, so that the address sanitizer sees the first byte written past the end.
  Bytes out(load_le<std::uint32_t>(data) % kMiB);
  compress::ZstdCodec codec;
  const Result<void> decoded = codec.decompress(frame, out);
  if (!decoded) {
    ASSERT(decoded.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  Bytes packed;
  const Result<std::size_t> packed_size = codec.compress(out, 1, packed);
  ASSERT(packed_size.has_value());
  if (*packed_size == 0) return 0;
  Bytes back(out.size());
  ASSERT(codec.decompress(packed, back).has_value());
  ASSERT(back == out);
  return 0;
}
