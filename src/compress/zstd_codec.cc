#include "compress/zstd_codec.h"

#include <fmt/core.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/page_buffer.h"
#include "base/try.h"

namespace backstay::compress {

struct ZstdDelete {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

namespace {

constexpr std::uint32_t kZstdMagic = 0xfd2fb528;
// Up to this level zstd gives up on incompressible bytes at several GB/s by itself.
constexpr int kQuickToGiveUpMax = 3;
constexpr int kAutomaticHashLog = 15;
constexpr int kAutomaticMinMatch = 6;
constexpr int kWindowLogMin = 19;  // what level 1 has
constexpr int kWindowLogMax = 24;  // the largest frame that the format knows

int window_log(std::size_t raw_bytes) {
  return std::clamp(static_cast<int>(std::bit_width(raw_bytes)), kWindowLogMin, kWindowLogMax);
}

std::unexpected<Error> zstd_failed(std::size_t status, ErrorCode otherwise) {
  const bool starved = ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation;
  return fail(starved ? ErrorCode::kNoSpace : otherwise,
              fmt::format("zstd: {}", ZSTD_getErrorName(status)));
}

// One frame of RFC 8878 and nothing beside it: libzstd on its own would also read skippable frames,
// several frames one after another, and the formats from before the RFC.
Result<void> check_one_frame(ByteView packed, std::size_t expected_size) {
  if (packed.size() < sizeof kZstdMagic || load_le<std::uint32_t>(packed.data()) != kZstdMagic) {
    return fail(ErrorCode::kCorruption, "compressed bytes are not a zstd frame");
  }
  const unsigned long long stated = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (stated == ZSTD_CONTENTSIZE_ERROR) {
    return fail(ErrorCode::kCorruption, "the head of a zstd frame is damaged");
  }
  if (stated != ZSTD_CONTENTSIZE_UNKNOWN && stated != expected_size) {
    return fail(ErrorCode::kCorruption,
                fmt::format("a zstd frame holds {} bytes instead of {}", stated, expected_size));
  }
  const std::size_t length = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
  if (ZSTD_isError(length) != 0) return zstd_failed(length, ErrorCode::kCorruption);
  if (length != packed.size()) {
    return fail(ErrorCode::kCorruption,
                fmt::format("{} bytes follow a zstd frame", packed.size() - length));
  }
  return {};
}

}  // namespace

struct ZstdCodec::State {
  std::unique_ptr<ZSTD_CCtx, ZstdDelete> packer;
  std::unique_ptr<ZSTD_DCtx, ZstdDelete> unpacker;
  PageBuffer scratch;  // where frames are packed

  Result<void> prepare_packer(int level, std::size_t raw_bytes) {
    if (packer == nullptr) {
      packer.reset(ZSTD_createCCtx());
      if (packer == nullptr) return fail(ErrorCode::kNoSpace, "no memory for zstd");
      // The content size lets a reader check before it decodes; the seal around the frame is a
      // stronger check than zstd's own sum.
      ZSTD_CCtx_setParameter(packer.get(), ZSTD_c_contentSizeFlag, 1);
      ZSTD_CCtx_setParameter(packer.get(), ZSTD_c_checksumFlag, 0);
    }
    // A frame that was given up is still under way.
    ZSTD_CCtx_reset(packer.get(), ZSTD_reset_session_only);
    const bool automatic = level == kLevelAutomatic;
    TRY(set(ZSTD_c_compressionLevel, automatic ? 1 : level));
    TRY(set(ZSTD_c_windowLog, automatic ? window_log(raw_bytes) : 0));
    TRY(set(ZSTD_c_hashLog, automatic ? kAutomaticHashLog : 0));
    return set(ZSTD_c_minMatch, automatic ? kAutomaticMinMatch : 0);
  }
  // For zstd a value of 0 means: as the level has it.
  Result<void> set(ZSTD_cParameter parameter, int value) {
    const std::size_t status = ZSTD_CCtx_setParameter(packer.get(), parameter, value);
    if (ZSTD_isError(status) != 0) return zstd_failed(status, ErrorCode::kInternal);
    return {};
  }
};

ZstdCodec::ZstdCodec() : state_(std::make_unique<State>()) {}
ZstdCodec::~ZstdCodec() = default;
ZstdCodec::ZstdCodec(ZstdCodec&&) noexcept = default;
ZstdCodec& ZstdCodec::operator=(ZstdCodec&&) noexcept = default;

Result<std::size_t> ZstdCodec::compress(ByteView raw, int level, Bytes& out) {
  const ByteView packed = TRY(compress(raw, level));
  append(out, packed);
  return packed.size();
}

Result<ByteView> ZstdCodec::compress(ByteView raw, int level) {
  if (level < kLevelMin || level > kLevelMax) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("compression level {} is outside {} to {}",
                                                         level, kLevelMin, kLevelMax));
  }
  if (level > kQuickToGiveUpMax && looks_incompressible(raw)) return ByteView();
  TRY(state_->prepare_packer(level, raw.size()));
  // zstd stops by itself when it would need more room than makes compression worth while.
  const std::size_t worth_while = raw.size() - raw.size() / 32;
  const MutableByteView scratch = state_->scratch.room_for(worth_while);
  const std::size_t size =
      ZSTD_compress2(state_->packer.get(), scratch.data(), worth_while, raw.data(), raw.size());
  if (ZSTD_isError(size) != 0) {
    if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall) return ByteView();
    return zstd_failed(size, ErrorCode::kInternal);
  }
  return scratch.first(size);
}

// Decoding in one call uses `out` as the window: however large a window the frame asks for, zstd
// allocates nothing for it.
Result<void> ZstdCodec::decompress(ByteView packed, MutableByteView out) {
  TRY(check_one_frame(packed, out.size()));
  if (state_->unpacker == nullptr) state_->unpacker.reset(ZSTD_createDCtx());
  if (state_->unpacker == nullptr) return fail(ErrorCode::kNoSpace, "no memory for zstd");
  const std::size_t size = ZSTD_decompressDCtx(state_->unpacker.get(), out.data(), out.size(),
                                               packed.data(), packed.size());
  if (ZSTD_isError(size) != 0) return zstd_failed(size, ErrorCode::kCorruption);
  if (size != out.size()) {
    return fail(ErrorCode::kCorruption,
                fmt::format("a zstd frame gave {} bytes instead of {}", size, out.size()));
  }
  return {};
}

Result<Bytes> ZstdCodec::decompress_up_to(ByteView packed, std::size_t size_max) {
  constexpr std::size_t kFirstBytes = std::size_t{64} * 1024;
  if (packed.size() < sizeof kZstdMagic || load_le<std::uint32_t>(packed.data()) != kZstdMagic) {
    return fail(ErrorCode::kCorruption, "compressed bytes are not a zstd frame");
  }
  if (state_->unpacker == nullptr) state_->unpacker.reset(ZSTD_createDCtx());
  if (state_->unpacker == nullptr) return fail(ErrorCode::kNoSpace, "no memory for zstd");
  ZSTD_DCtx_reset(state_->unpacker.get(), ZSTD_reset_session_only);
  Bytes raw;
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::size_t done = 0;
  for (;;) {
    if (done == raw.size()) raw.resize(std::min(std::max(kFirstBytes, 2 * done), size_max + 1));
    ZSTD_outBuffer out{raw.data(), raw.size(), done};
    const std::size_t left = ZSTD_decompressStream(state_->unpacker.get(), &out, &in);
    if (ZSTD_isError(left) != 0) return zstd_failed(left, ErrorCode::kCorruption);
    done = out.pos;
    if (done > size_max) return fail(ErrorCode::kCorruption, "a zstd frame holds too much");
    if (left == 0) break;
    if (in.pos == in.size && done < raw.size())
      return fail(ErrorCode::kCorruption, "a zstd frame is cut short");
  }
  if (in.pos != in.size) return fail(ErrorCode::kCorruption, "bytes follow a zstd frame");
  raw.resize(done);
  return raw;
}

// Eight samples of 1 KiB, evenly spread. With fewer than 1,024 bytes even random ones do not reach
// the threshold (256 values share too few places), so those are never called incompressible.
bool looks_incompressible(ByteView raw) {
  constexpr std::size_t kSamples = 8;
  constexpr std::size_t kSampleBytes = 1024;
  constexpr double kThresholdBits = 7.7;
  if (raw.size() < kSampleBytes) return false;
  std::array<std::uint32_t, 256> counts{};
  std::size_t seen = 0;
  const auto count = [&](ByteView sample) {
    for (const std::uint8_t byte : sample) ++counts[byte];
    seen += sample.size();
  };
  if (raw.size() <= kSamples * kSampleBytes) {
    count(raw);
  } else {
    const std::size_t spread = raw.size() - kSampleBytes;
    for (std::size_t i = 0; i < kSamples; ++i) {
      count(raw.subspan(spread * i / (kSamples - 1), kSampleBytes));
    }
  }
  double bits = 0;  // entropy times `seen`
  for (const std::uint32_t n : counts) {
    if (n > 0) bits -= n * std::log2(static_cast<double>(n) / static_cast<double>(seen));
  }
  return bits > kThresholdBits * static_cast<double>(seen);
}

}  // namespace backstay::compress
