#include "repo/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/record.h"
#include "repo/open_pack.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

chunk::ChunkRef some_chunk(std::uint64_t seed, std::uint32_t length) {
  chunk::ChunkRef ref{.id = {}, .length = length};
  SeededRng(seed).fill(ref.id.bytes);
  return ref;
}

PackDirectory sample_directory() {
  PackDirectory directory;
  directory.frames.push_back({.sealed_length = 17,
                              .raw_length = 1,
                              .codec = compress::Codec::kStored,
                              .chunks = {some_chunk(1, 1)}});
  directory.frames.push_back({.sealed_length = 300'000,
                              .raw_length = kFrameMax,
                              .codec = compress::Codec::kZstd,
                              .chunks = {some_chunk(2, kFrameMax - 5), some_chunk(3, 5)}});
  directory.padding = 9;
  return directory;
}

Bytes encoded(const PackDirectory& directory) {
  Bytes out;
  encode_directory(directory, out);
  return out;
}

TEST(PackDirectory, IsReadBack) {
  for (const PackDirectory& directory : {PackDirectory{}, sample_directory()}) {
    const auto decoded = decode_directory(encoded(directory));
    ASSERT_EQ(problem(decoded), "");
    EXPECT_EQ(decoded->padding, directory.padding);
    ASSERT_EQ(decoded->frames.size(), directory.frames.size());
    for (std::size_t i = 0; i < directory.frames.size(); ++i) {
      EXPECT_EQ(decoded->frames[i].sealed_length, directory.frames[i].sealed_length);
      EXPECT_EQ(decoded->frames[i].raw_length, directory.frames[i].raw_length);
      EXPECT_EQ(decoded->frames[i].codec, directory.frames[i].codec);
      EXPECT_EQ(decoded->frames[i].chunks, directory.frames[i].chunks);
    }
  }
}

TEST(PackDirectory, CutShortAnywhereIsCorruption) {
  for_each_prefix(encoded(sample_directory()), [](ByteView prefix) {
    EXPECT_EQ(code_of(decode_directory(prefix)), "corruption");
  });
}

// Below the seal: whoever has the keys may write this.
TEST(PackDirectory, WithAnyByteChangedIsRefusedOrAnotherDirectory) {
  const Bytes whole = encoded(sample_directory());
  for_each_flip(whole, [&](const Bytes& changed, std::size_t) {
    const auto decoded = decode_directory(changed);
    if (decoded) {
      EXPECT_EQ(encoded(*decoded), changed);
    } else {
      EXPECT_TRUE(is_damage(decoded.error().code()));
    }
  });
}

TEST(PackDirectory, WithBytesAfterThePaddingIsCorruption) {
  Bytes bytes = encoded(sample_directory());
  bytes.push_back(0);
  EXPECT_EQ(code_of(decode_directory(bytes)), "corruption");
}

TEST(PackDirectory, WithPaddingThatIsNotZeroIsCorruption) {
  Bytes bytes = encoded(sample_directory());
  bytes.back() = 1;
  EXPECT_EQ(code_of(decode_directory(bytes)), "corruption");
}

TEST(PackDirectory, OfAnotherVersionIsUnsupported) {
  Bytes bytes = encoded(sample_directory());
  bytes[0] = 2;
  EXPECT_EQ(code_of(decode_directory(bytes)), "unsupported");
}

TEST(PackDirectory, WithFramesThatCannotBeIsCorruption) {
  const auto code_with = [](const std::function<void(FrameRecord&)>& change) {
    PackDirectory directory = sample_directory();
    change(directory.frames[1]);
    return code_of(decode_directory(encoded(directory)));
  };
  EXPECT_EQ(code_with([](FrameRecord&) {}), "no failure");
  EXPECT_EQ(code_with([](FrameRecord& frame) { frame.sealed_length = 16; }), "corruption");
  EXPECT_EQ(code_with([](FrameRecord& frame) { frame.raw_length -= 1; }), "corruption");
  EXPECT_EQ(code_with([](FrameRecord& frame) { frame.chunks.clear(); }), "corruption");
  EXPECT_EQ(code_with([](FrameRecord& frame) {
              frame.chunks[0].length += 1;
              frame.raw_length += 1;
            }),
            "corruption");
  EXPECT_EQ(code_with([](FrameRecord& frame) {
              frame.chunks.push_back(some_chunk(4, 0));  // a chunk is never empty
            }),
            "corruption");
  EXPECT_EQ(code_with([](FrameRecord& frame) { frame.codec = static_cast<compress::Codec>(2); }),
            "unsupported");
}

TEST(PackDirectory, WithAbsurdCountsIsCorruptionAndAllocatesNothing) {
  const auto code_of_counts = [](std::uint64_t frames, std::uint64_t chunks) {
    Bytes bytes;
    append_varint(bytes, 1);
    append_varint(bytes, frames);
    append_varint(bytes, 100);
    append_varint(bytes, 100);
    bytes.push_back(0);
    append_varint(bytes, chunks);
    bytes.resize(bytes.size() + 100);
    return code_of(decode_directory(bytes));
  };
  EXPECT_EQ(code_of_counts(~0ULL, 1), "corruption");
  EXPECT_EQ(code_of_counts(1, ~0ULL), "corruption");
  EXPECT_EQ(code_of_counts(1, 1U << 30), "corruption");
  Bytes padded;
  append_varint(padded, 1);
  append_varint(padded, 0);
  append_varint(padded, ~0ULL);
  EXPECT_EQ(code_of(decode_directory(padded)), "corruption");
}

TEST(PackDirectory, WithLongFormsOfNumbersIsCorruption) {
  EXPECT_EQ(code_of(decode_directory(Bytes{0x81, 0x00, 0x00, 0x00})), "corruption");
  EXPECT_EQ(code_of(decode_directory(Bytes{0x01, 0x80, 0x00, 0x00})), "corruption");
  EXPECT_EQ(problem(decode_directory(Bytes{0x01, 0x00, 0x00})), "");
}

// ---- whole packs

class Pack : public ::testing::Test {
 protected:
  explicit Pack(crypto::Suite suite = crypto::Suite::kAes256Gcm) {
    config_ = small_config(rng_);
    config_.suite = suite;
    keyring_ = Keyring::random(rng_);
  }

  std::unique_ptr<OpenPack> create(std::size_t capacity = 64 * 1024) {
    auto made = OpenPack::create(PackKind::kData, PageBuffer(capacity), keyring_, config_, rng_);
    EXPECT_EQ(problem(made), "");
    return std::move(*made);
  }
  // Seals `raw` as one frame of one chunk; false when it does not fit.
  static bool add(OpenPack& pack, const Bytes& raw, std::mutex* mutex = nullptr) {
    FrameRecord record{.sealed_length = static_cast<std::uint32_t>(raw.size() + crypto::kTagSize),
                       .raw_length = static_cast<std::uint32_t>(raw.size()),
                       .codec = compress::Codec::kStored,
                       .chunks = {{.id = {}, .length = static_cast<std::uint32_t>(raw.size())}}};
    std::copy_n(raw.begin(), 20, record.chunks[0].id.bytes.begin());
    std::unique_lock<std::mutex> lock;
    if (mutex != nullptr) lock = std::unique_lock(*mutex);
    if (!pack.fits(record)) return false;
    const OpenPack::Reservation reservation = pack.reserve(std::move(record));
    if (mutex != nullptr) lock.unlock();
    EXPECT_EQ(problem(crypto::Aead().seal(pack.suite(), pack.key(),
                                          Nonce(reservation.offset, Purpose::kFrame).view(), raw,
                                          reservation.place)),
              "");
    pack.written();
    return true;
  }
  struct Stored {
    Bytes bytes;
    OpenPack::Finished finished;
  };
  Stored finish(OpenPack& pack) {
    auto finished = pack.finish(rng_);
    EXPECT_EQ(problem(finished), "");
    Stored stored{.bytes = to_owned(pack.frames()), .finished = std::move(*finished)};
    append(stored.bytes, stored.finished.tail);
    return stored;
  }
  Stored sample() {
    const auto pack = create();
    for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(add(*pack, noise(100 * i, i)));
    return finish(*pack);
  }
  Result<PackView> open(ByteView stored, PackKind kind = PackKind::kData) {
    return open_pack(stored, kind, keyring_, config_.id);
  }

  SharedRng rng_{5};
  Config config_;
  Keyring keyring_;
};

TEST_F(Pack, IsReadBackFrameByFrame) {
  const Stored stored = sample();
  EXPECT_EQ(stored.finished.id, id_of(stored.bytes));
  EXPECT_EQ(stored.finished.entries.size_bytes, stored.bytes.size());
  EXPECT_EQ(stored.finished.raw_bytes, 600U);
  const auto view = open(stored.bytes);
  ASSERT_EQ(problem(view), "");
  ASSERT_EQ(view->directory.frames.size(), 3U);
  ASSERT_EQ(stored.finished.entries.chunks.size(), 3U);
  FrameDecoder decoder;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const PackEntries::Chunk& chunk = stored.finished.entries.chunks[i - 1];
    const FrameLocation frame{.pack = stored.finished.id,
                              .pack_kind = PackKind::kData,
                              .offset = chunk.frame_offset,
                              .sealed_length = chunk.sealed_length,
                              .raw_length = chunk.raw_length,
                              .codec = chunk.codec};
    const ByteView sealed = ByteView(stored.bytes).subspan(chunk.frame_offset, chunk.sealed_length);
    const auto raw = decoder.decode(sealed, frame, view->header.suite, view->key);
    ASSERT_EQ(problem(raw), "");
    EXPECT_EQ(*raw, noise(100 * i, i));
  }
}

TEST_F(Pack, WithAnyByteChangedIsRefusedWhereItIsRead) {
  const Stored stored = sample();
  const std::size_t frames_end = stored.bytes.size() - stored.finished.tail.size();
  FrameDecoder decoder;
  for_each_flip(stored.bytes, [&](const Bytes& damaged, std::size_t at) {
    const auto view = open(damaged);
    const bool in_frames = at >= kHeaderSize && at < frames_end;
    if (!in_frames) {
      ASSERT_FALSE(view) << "byte " << at;
      EXPECT_TRUE(is_damage(view.error().code()));
      return;
    }
    ASSERT_EQ(problem(view), "");
    std::size_t refused = 0;
    for (const PackEntries::Chunk& chunk : stored.finished.entries.chunks) {
      const FrameLocation frame{.pack = stored.finished.id,
                                .pack_kind = PackKind::kData,
                                .offset = chunk.frame_offset,
                                .sealed_length = chunk.sealed_length,
                                .raw_length = chunk.raw_length,
                                .codec = chunk.codec};
      const auto raw =
          decoder.decode(ByteView(damaged).subspan(chunk.frame_offset, chunk.sealed_length), frame,
                         view->header.suite, view->key);
      if (code_of(raw) == "corruption") ++refused;
    }
    EXPECT_EQ(refused, 1U) << "byte " << at;
  });
}

TEST_F(Pack, CutShortAnywhereIsCorruption) {
  const Stored stored = sample();
  for_each_prefix(stored.bytes,
                  [&](ByteView prefix) { EXPECT_EQ(code_of(open(prefix)), "corruption"); });
}

TEST_F(Pack, OfAnotherKindOrRepositoryIsCorruption) {
  const Stored stored = sample();
  EXPECT_EQ(code_of(open(stored.bytes, PackKind::kMeta)), "corruption");
  EXPECT_EQ(code_of(open_pack(stored.bytes, PackKind::kData, keyring_, RepositoryId{})),
            "corruption");
  EXPECT_FALSE(open_pack(stored.bytes, PackKind::kData, Keyring::random(rng_), config_.id));
}

TEST_F(Pack, WithoutFramesIsOneStill) {
  const auto pack = create();
  const Stored stored = finish(*pack);
  const auto view = open(stored.bytes);
  ASSERT_EQ(problem(view), "");
  EXPECT_TRUE(view->directory.frames.empty());
}

TEST_F(Pack, IsFullAtItsCapacity) {
  const auto pack = create(kHeaderSize + 116);
  EXPECT_TRUE(add(*pack, noise(100, 1)));
  EXPECT_FALSE(add(*pack, noise(20, 2)));
  EXPECT_EQ(pack->size(), kHeaderSize + 116);
}

TEST_F(Pack, IsFullWhenItsChunksAreTooMany) {
  const auto pack = create(1 << 20);
  const FrameRecord many{.sealed_length = 1000,
                         .raw_length = 10,
                         .codec = compress::Codec::kStored,
                         .chunks = std::vector<chunk::ChunkRef>(OpenPack::kChunksMax + 1)};
  EXPECT_TRUE(pack->fits(many));  // alone: it must go somewhere
  ASSERT_TRUE(add(*pack, noise(50, 1)));
  EXPECT_FALSE(pack->fits(many));
}

TEST_F(Pack, IsPaddedByAtMostOnePercent) {
  std::size_t padded = 0;
  for (int round = 0; round < 50; ++round) {
    const auto pack = create();
    ASSERT_TRUE(add(*pack, noise(40'000, 1)));
    const std::size_t frames = pack->size();
    const Stored stored = finish(*pack);
    const auto view = open(stored.bytes);
    ASSERT_EQ(problem(view), "");
    EXPECT_LE(view->directory.padding, frames / 100);
    if (view->directory.padding > 0) ++padded;
  }
  EXPECT_GT(padded, 30U);
}

TEST_F(Pack, TakesFramesFromSeveralThreadsAtOnce) {
  const auto pack = create(1 << 20);
  std::mutex mutex;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < 50; ++i) {
          EXPECT_TRUE(add(*pack, noise(20 + i * 37 % 900, thread * 1000 + i), &mutex));
        }
      });
    }
  }
  const Stored stored = finish(*pack);
  const auto view = open(stored.bytes);
  ASSERT_EQ(problem(view), "");
  ASSERT_EQ(view->directory.frames.size(), 200U);
  FrameDecoder decoder;
  for (const PackEntries::Chunk& chunk : stored.finished.entries.chunks) {
    const FrameLocation frame{.pack = stored.finished.id,
                              .pack_kind = PackKind::kData,
                              .offset = chunk.frame_offset,
                              .sealed_length = chunk.sealed_length,
                              .raw_length = chunk.raw_length,
                              .codec = chunk.codec};
    const auto raw =
        decoder.decode(ByteView(stored.bytes).subspan(chunk.frame_offset, chunk.sealed_length),
                       frame, view->header.suite, view->key);
    ASSERT_EQ(problem(raw), "");
    EXPECT_TRUE(std::equal(chunk.id.begin(), chunk.id.end(), raw->begin()));
  }
}

// finish() waits for whoever has a reservation.
TEST_F(Pack, IsFinishedOnlyWhenAllIsWritten) {
  const auto pack = create();
  const Bytes raw = noise(1000, 1);
  const OpenPack::Reservation reservation = pack->reserve({.sealed_length = 1016,
                                                           .raw_length = 1000,
                                                           .codec = compress::Codec::kStored,
                                                           .chunks = {some_chunk(1, 1000)}});
  std::jthread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(problem(crypto::Aead().seal(pack->suite(), pack->key(),
                                          Nonce(reservation.offset, Purpose::kFrame).view(), raw,
                                          reservation.place)),
              "");
    pack->written();
  });
  const Stored stored = finish(*pack);
  EXPECT_EQ(stored.finished.id, id_of(stored.bytes));
}

// ---- frames

class Frame : public ::testing::TestWithParam<crypto::Suite> {
 protected:
  Bytes seal(ByteView packed, std::uint32_t offset) {
    Bytes sealed(packed.size() + crypto::kTagSize);
    EXPECT_EQ(problem(crypto::Aead().seal(GetParam(), key_, Nonce(offset, Purpose::kFrame).view(),
                                          packed, sealed)),
              "");
    return sealed;
  }
  Result<Bytes> decode(ByteView sealed, std::uint32_t raw_length, compress::Codec codec,
                       std::uint32_t offset = 64) {
    const FrameLocation frame{.pack = {},
                              .pack_kind = PackKind::kData,
                              .offset = offset,
                              .sealed_length = static_cast<std::uint32_t>(sealed.size()),
                              .raw_length = raw_length,
                              .codec = codec};
    return decoder_.decode(sealed, frame, GetParam(), key_);
  }

  SharedRng rng_{9};
  crypto::Secret key_ = crypto::Secret::random(rng_);
  FrameDecoder decoder_;
};

TEST_P(Frame, IsDecodedStoredAndCompressed) {
  const Bytes raw(5000, 'a');
  Bytes packed;
  const auto size = compress::ZstdCodec().compress(raw, 1, packed);
  ASSERT_EQ(problem(size), "");
  EXPECT_EQ(*decode(seal(packed, 64), 5000, compress::Codec::kZstd), raw);
  EXPECT_EQ(*decode(seal(raw, 64), 5000, compress::Codec::kStored), raw);
}

TEST_P(Frame, AtAnotherPlaceIsCorruption) {
  const Bytes sealed = seal(noise(100, 1), 64);
  EXPECT_EQ(problem(decode(sealed, 100, compress::Codec::kStored, 64)), "");
  EXPECT_EQ(code_of(decode(sealed, 100, compress::Codec::kStored, 65)), "corruption");
}

TEST_P(Frame, OfAnotherLengthOrCodecIsCorruption) {
  const Bytes sealed = seal(noise(100, 1), 64);
  EXPECT_EQ(code_of(decode(sealed, 99, compress::Codec::kStored)), "corruption");
  EXPECT_EQ(code_of(decode(sealed, 101, compress::Codec::kStored)), "corruption");
  EXPECT_EQ(code_of(decode(sealed, 100, compress::Codec::kZstd)), "corruption");
  EXPECT_EQ(code_of(decode(sealed, kFrameMax + 1, compress::Codec::kZstd)), "corruption");
  EXPECT_EQ(code_of(decode(ByteView(sealed).first(15), 0, compress::Codec::kStored)), "corruption");
  Bytes packed;
  ASSERT_EQ(problem(compress::ZstdCodec().compress(Bytes(5000, 'a'), 1, packed)), "");
  EXPECT_EQ(code_of(decode(seal(packed, 64), 4999, compress::Codec::kZstd)), "corruption");
  EXPECT_EQ(code_of(decode(seal(packed, 64), 5001, compress::Codec::kZstd)), "corruption");
}

INSTANTIATE_TEST_SUITE_P(Suites, Frame,
                         ::testing::Values(crypto::Suite::kPlain, crypto::Suite::kAes256Gcm,
                                           crypto::Suite::kChaCha20Poly1305));

}  // namespace
}  // namespace backstay::repo
