// A hostile pack of a repository whose key the attacker knows: suite 0 with a known keyring, so
// that the tag can be mended and mutations reach the directory and the frames.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "crypto/aead.h"
#include "repo/pack.h"

namespace {

using namespace backstay;

repo::Keyring known_keyring() {
  SeededRng rng(7);
  return repo::Keyring::random(rng);
}

// Input: u8 length of the directory / 16, directory, frames. Gives the pack that a hostile writer
// would make of it.
Bytes make_pack(ByteView input, const repo::Keyring& keyring) {
  const std::size_t directory_length = std::min<std::size_t>(input[0] * 16U, input.size() - 1);
  const ByteView directory = input.subspan(1, directory_length);
  const ByteView frames = input.subspan(1 + directory_length);
  repo::Header header{.kind = repo::ObjectKind::kDataPack,
                      .suite = crypto::Suite::kPlain,
                      .key_mode = repo::KeyMode::kDerived,
                      .epoch = 1,
                      .repository = {},
                      .salt = {}};
  Bytes pack(repo::kHeaderSize);
  repo::encode_header(header, pack);
  const crypto::Secret key = keyring.object_key(pack).value();
  append(pack, frames);
  const std::size_t at = pack.size();
  pack.resize(at + directory.size() + crypto::kTagSize);
  ASSERT(crypto::Aead()
             .seal(crypto::Suite::kPlain, key, repo::Nonce(at, repo::Purpose::kDirectory).view(),
                   directory, MutableByteView(pack).subspan(at))
             .has_value());
  append_le(pack, static_cast<std::uint32_t>(directory.size() + crypto::kTagSize));
  append_le<std::uint32_t>(pack, 0);
  append(pack, as_bytes("BKSTPACK"));
  return pack;
}

void decode_frames(ByteView pack, const repo::PackView& view) {
  repo::FrameDecoder decoder;
  std::uint32_t offset = repo::kHeaderSize;
  for (const repo::FrameRecord& frame : view.directory.frames) {
    const repo::FrameLocation location{.pack = {},
                                       .pack_kind = repo::PackKind::kData,
                                       .offset = offset,
                                       .sealed_length = frame.sealed_length,
                                       .raw_length = frame.raw_length,
                                       .codec = frame.codec};
    // Whatever the frame holds, it is the stated length or an error.
    const auto raw = decoder.decode(pack.subspan(offset, frame.sealed_length), location,
                                    view.header.suite, view.key);
    ASSERT(!raw || raw->size() == frame.raw_length);
    offset += frame.sealed_length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const repo::Keyring keyring = known_keyring();
  const Bytes pack = make_pack({data, size}, keyring);
  const auto view = repo::open_pack(pack, repo::PackKind::kData, keyring, {});
  if (view) decode_frames(pack, *view);
  // And the input as it is, with nothing mended.
  ASSERT(!repo::open_pack({data, size}, repo::PackKind::kData, keyring, {}).has_value());
  return 0;
}
