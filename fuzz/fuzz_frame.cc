// A hostile frame whose tag fits: the first four bytes state its plaintext length, the fifth its
// codec.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "crypto/aead.h"
#include "repo/pack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  if (size < 5) return 0;
  SeededRng rng(7);
  const crypto::Secret key = crypto::Secret::random(rng);
  const ByteView packed{data + 5, size - 5};
  Bytes sealed(packed.size() + crypto::kTagSize);
  ASSERT(crypto::Aead()
             .seal(crypto::Suite::kPlain, key, repo::Nonce(64, repo::Purpose::kFrame).view(),
                   packed, sealed)
             .has_value());
  const repo::FrameLocation frame{.pack = {},
                                  .pack_kind = repo::PackKind::kData,
                                  .offset = 64,
                                  .sealed_length = static_cast<std::uint32_t>(sealed.size()),
                                  .raw_length = load_le<std::uint32_t>(data) & 0x1ffffff,
                                  .codec = static_cast<compress::Codec>(data[4] & 1)};
  repo::FrameDecoder decoder;
  const auto raw = decoder.decode(sealed, frame, crypto::Suite::kPlain, key);
  if (raw)
    ASSERT(raw->size() == frame.raw_length);
  else
    ASSERT(raw.error().code() == ErrorCode::kCorruption);
  return 0;
}
