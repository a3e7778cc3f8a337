#include "repo/pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/record.h"
#include "base/try.h"
#include "compress/zstd_codec.h"
#include "crypto/aead.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

using snapshot::shortest_varint;

constexpr std::string_view kPackMagic = "BKSTPACK";

Result<std::uint32_t> length_between(std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value < low || value > high)
    return fail(ErrorCode::kCorruption, "a length in the pack's directory is absurd");
  return static_cast<std::uint32_t>(value);
}

Result<compress::Codec> codec_from(std::uint8_t number) {
  if (number <= 1) return static_cast<compress::Codec>(number);
  return fail(ErrorCode::kUnsupported, fmt::format("a frame has the unknown codec {}", number));
}

Result<FrameRecord> decode_frame_record(ByteReader& reader) {
  constexpr std::uint64_t kSealedMax = std::numeric_limits<std::uint32_t>::max();
  FrameRecord frame;
  frame.sealed_length =
      TRY(length_between(TRY(shortest_varint(reader)), crypto::kTagSize + 1, kSealedMax));
  frame.raw_length = TRY(length_between(TRY(shortest_varint(reader)), 1, kFrameMax));
  frame.codec = TRY(codec_from(TRY(reader.byte())));
  const std::uint64_t chunks = TRY(shortest_varint(reader));
  // A chunk takes at least 33 bytes of the directory: a larger count cannot be true.
  if (chunks == 0 || chunks > reader.remaining() / 33) {
    return fail(ErrorCode::kCorruption, "a frame's number of chunks is absurd");
  }
  frame.chunks.reserve(static_cast<std::size_t>(chunks));
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < chunks; ++i) {
    chunk::ChunkRef ref;
    ref.id = TRY(chunk::ChunkId::from_bytes(TRY(reader.take(chunk::ChunkId::kSize))));
    ref.length = TRY(length_between(TRY(shortest_varint(reader)), 1, kFrameMax));
    sum += ref.length;
    frame.chunks.push_back(ref);
  }
  if (sum != frame.raw_length) {
    return fail(ErrorCode::kCorruption, "the chunks of a frame do not add up to it");
  }
  return frame;
}

}  // namespace

void encode_directory(const PackDirectory& directory, Bytes& out) {
  append_varint(out, 1);
  append_varint(out, directory.frames.size());
  for (const FrameRecord& frame : directory.frames) {
    append_varint(out, frame.sealed_length);
    append_varint(out, frame.raw_length);
    out.push_back(static_cast<std::uint8_t>(frame.codec));
    append_varint(out, frame.chunks.size());
    for (const chunk::ChunkRef& ref : frame.chunks) {
      append(out, ref.id.view());
      append_varint(out, ref.length);
    }
  }
  append_varint(out, directory.padding);
  out.resize(out.size() + directory.padding);
}

Result<PackDirectory> decode_directory(ByteView plaintext) {
  ByteReader reader(plaintext);
  if (TRY(shortest_varint(reader)) != 1) {
    return fail(ErrorCode::kUnsupported, "the pack's directory has an unknown version");
  }
  const std::uint64_t frames = TRY(shortest_varint(reader));
  if (frames > reader.remaining())
    return fail(ErrorCode::kCorruption, "the number of frames is absurd");
  PackDirectory directory;
  for (std::uint64_t i = 0; i < frames; ++i) {
    directory.frames.push_back(TRY(decode_frame_record(reader)));
  }
  directory.padding = TRY(shortest_varint(reader));
  const ByteView padding = TRY(reader.take(directory.padding));
  if (!reader.done() || !all_zero(padding)) {
    return fail(ErrorCode::kCorruption, "something follows the pack's directory");
  }
  return directory;
}

Result<std::uint32_t> directory_length(ByteView trailer, std::uint64_t pack_size) {
  if (pack_size < kHeaderSize + crypto::kTagSize + kPackTrailerSize) {
    return fail(ErrorCode::kCorruption, "the pack is cut short");
  }
  if (pack_size > kPackMax) return fail(ErrorCode::kCorruption, "the pack is too large");
  const std::uint32_t length = load_le<std::uint32_t>(trailer.data());
  const std::uint64_t room = pack_size - kHeaderSize - kPackTrailerSize;
  if (as_text(trailer.subspan(8)) != kPackMagic || load_le<std::uint32_t>(&trailer[4]) != 0 ||
      length < crypto::kTagSize || length > room || length > kPackDirectoryMax) {
    return fail(ErrorCode::kCorruption, "the pack's trailer is damaged");
  }
  return length;
}

static Result<PackDirectory> open_directory(ByteView sealed, std::uint64_t offset,
                                            const Header& header, const crypto::Secret& key) {
  Bytes plaintext(sealed.size() - crypto::kTagSize);
  TRY_DOING("opening the pack's directory",
            crypto::Aead().open(header.suite, key, Nonce(offset, Purpose::kDirectory).view(),
                                sealed, plaintext));
  PackDirectory directory = TRY(decode_directory(plaintext));
  directory.prefix_size = static_cast<std::uint32_t>(prefix_size(header));
  std::uint64_t end = directory.prefix_size;
  for (const FrameRecord& frame : directory.frames) end += frame.sealed_length;
  if (end != offset) return fail(ErrorCode::kCorruption, "the frames of the pack do not fill it");
  return directory;
}

Result<PackView> open_pack(ByteView stored, PackKind kind, const Keyring& keyring,
                           const RepositoryId& repository) {
  PackView view;
  view.header = TRY(decode_header(stored, object_kind(kind), repository));
  const ByteView trailer = stored.last(std::min(stored.size(), kPackTrailerSize));
  const std::uint32_t length = TRY(directory_length(trailer, stored.size()));
  const std::uint64_t offset = stored.size() - kPackTrailerSize - length;
  view.key = TRY(keyring.object_key(stored));
  view.directory =
      TRY(open_directory(stored.subspan(offset, length), offset, view.header, view.key));
  return view;
}

Result<PackDirectory> open_directory(ByteView header, ByteView sealed_directory,
                                     std::uint64_t pack_size, PackKind kind, const Keyring& keyring,
                                     const RepositoryId& repository) {
  const Header decoded = TRY(decode_header(header, object_kind(kind), repository));
  const crypto::Secret key = TRY(keyring.object_key(header));
  const std::uint64_t offset = pack_size - kPackTrailerSize - sealed_directory.size();
  return open_directory(sealed_directory, offset, decoded, key);
}

PackEntries index_entries(const PackDirectory& directory, const ObjectId& pack, PackKind kind,
                          std::uint64_t size_bytes) {
  PackEntries entries{.pack = pack, .kind = kind, .size_bytes = size_bytes, .chunks = {}};
  std::size_t number = 0;
  for (const FrameLocation& at : frame_locations(directory, pack, kind)) {
    std::uint32_t offset_in_frame = 0;
    for (const chunk::ChunkRef& ref : directory.frames[number++].chunks) {
      entries.chunks.push_back({.id = prefix_of(ref.id),
                                .frame_offset = at.offset,
                                .sealed_length = at.sealed_length,
                                .raw_length = at.raw_length,
                                .codec = at.codec,
                                .offset_in_frame = offset_in_frame});
      offset_in_frame += ref.length;
    }
  }
  return entries;
}

std::vector<FrameLocation> frame_locations(const PackDirectory& directory, const ObjectId& pack,
                                           PackKind kind) {
  std::vector<FrameLocation> places;
  places.reserve(directory.frames.size());
  std::uint32_t offset = directory.prefix_size;
  for (const FrameRecord& frame : directory.frames) {
    places.push_back({.pack = pack,
                      .pack_kind = kind,
                      .offset = offset,
                      .sealed_length = frame.sealed_length,
                      .raw_length = frame.raw_length,
                      .codec = frame.codec});
    offset += frame.sealed_length;
  }
  return places;
}

struct FrameDecoder::State {
  crypto::Aead aead;
  compress::ZstdCodec codec;
  Bytes packed;
};

FrameDecoder::FrameDecoder() : state_(std::make_unique<State>()) {}
FrameDecoder::~FrameDecoder() = default;
FrameDecoder::FrameDecoder(FrameDecoder&&) noexcept = default;

Result<Bytes> FrameDecoder::decode(ByteView sealed, const FrameLocation& frame, crypto::Suite suite,
                                   const crypto::Secret& pack_key) {
  if (sealed.size() != frame.sealed_length || sealed.size() < crypto::kTagSize ||
      frame.raw_length > kFrameMax) {
    return fail(ErrorCode::kCorruption, "a frame's length is absurd");
  }
  const Nonce nonce(frame.offset, Purpose::kFrame);
  const std::size_t packed_length = sealed.size() - crypto::kTagSize;
  if (frame.codec == compress::Codec::kStored) {
    if (packed_length != frame.raw_length) {
      return fail(ErrorCode::kCorruption, "a stored frame has a wrong length");
    }
    Bytes raw(frame.raw_length);
    TRY(state_->aead.open(suite, pack_key, nonce.view(), sealed, raw));
    return raw;
  }
  state_->packed.resize(packed_length);
  TRY(state_->aead.open(suite, pack_key, nonce.view(), sealed, state_->packed));
  Bytes raw(frame.raw_length);
  TRY(state_->codec.decompress(state_->packed, raw));
  return raw;
}

}  // namespace backstay::repo
