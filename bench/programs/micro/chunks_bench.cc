// What is done to every byte: cutting, naming, compressing, sealing.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.h"
#include "chunk/content_chunker.h"
#include "compress/zstd_codec.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "scale/simulated_source.h"

namespace backstay::bench {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

enum Content : std::int64_t { kText, kRandom, kMixed };

// Mixed: text and noise by turns of 64 KiB, as a folder of documents and pictures has them.
Bytes content_of(std::int64_t content, std::size_t size) {
  constexpr std::size_t kTurn = 64 * 1024;
  Bytes bytes(size);
  SimulatedBytes(Texture::kText).fill(1, 0, bytes);
  Bytes noise(size);
  SeededRng(3).fill(noise);
  if (content == kRandom) return noise;
  for (std::size_t at = kTurn; content == kMixed && at + kTurn <= size; at += 2 * kTurn) {
    std::memcpy(&bytes[at], &noise[at], kTurn);
  }
  return bytes;
}

crypto::Secret some_key() {
  SeededRng rng(4);
  return crypto::Secret::random(rng);
}

void set_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void cut_by_content(benchmark::State& state) {
  const Bytes data = content_of(state.range(0), 64 * kMiB);
  const chunk::ContentChunker chunker(chunk::GearTable::from_key(some_key()), {});
  std::vector<std::uint32_t> lengths;
  for (auto _ : state) {
    lengths.clear();
    benchmark::DoNotOptimize(chunker.cut(data, true, lengths));
  }
  set_bytes(state, data.size());
}
BENCHMARK(cut_by_content)->ArgName("text=0,random=1")->Arg(kText)->Arg(kRandom);

void cut_into_pages(benchmark::State& state) {
  const Bytes data = content_of(kText, 64 * kMiB);
  std::vector<std::uint32_t> lengths;
  for (auto _ : state) {
    lengths.clear();
    benchmark::DoNotOptimize(chunk::cut_fixed(data, 32 * 1024, true, lengths));
  }
  set_bytes(state, data.size());
}
BENCHMARK(cut_into_pages);

void name_chunk(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const Bytes data = content_of(kRandom, size);
  const crypto::Secret key = some_key();
  for (auto _ : state) benchmark::DoNotOptimize(crypto::blake3_keyed(key, data));
  set_bytes(state, size);
}
BENCHMARK(name_chunk)->ArgName("bytes")->Arg(256)->Arg(4096)->Arg(32 << 10)->Arg(1 << 20);

void compress_frame(benchmark::State& state) {
  const Bytes data = content_of(state.range(0), kMiB);
  compress::ZstdCodec codec;
  std::size_t packed = data.size();
  for (auto _ : state) {
    const auto result = codec.compress(data, static_cast<int>(state.range(1)));
    if (!result) return state.SkipWithError("not compressed");
    packed = result->empty() ? data.size() : result->size();
  }
  set_bytes(state, data.size());
  state.counters["ratio"] = static_cast<double>(data.size()) / static_cast<double>(packed);
}
BENCHMARK(compress_frame)
    ->ArgNames({"text=0,random=1,mixed=2", "level"})
    ->ArgsProduct({{kText, kRandom, kMixed}, {-1, compress::kLevelAutomatic, 1, 3}});

void decompress_frame(benchmark::State& state) {
  const Bytes data = content_of(state.range(0), kMiB);
  compress::ZstdCodec codec;
  Bytes packed;
  Bytes out(data.size());
  if (const auto done = codec.compress(data, compress::kLevelAutomatic, packed);
      !done || *done == 0)
    return state.SkipWithError("not compressed");
  for (auto _ : state) {
    if (!codec.decompress(packed, out)) return state.SkipWithError("not decompressed");
  }
  set_bytes(state, data.size());
}
BENCHMARK(decompress_frame)->ArgName("text=0,mixed=2")->Arg(kText)->Arg(kMixed);

void seal_frame(benchmark::State& state) {
  const Bytes data = content_of(kRandom, static_cast<std::size_t>(state.range(0)));
  const crypto::Secret key = some_key();
  const Bytes nonce(crypto::kNonceSize);
  Bytes out(data.size() + crypto::kTagSize);
  crypto::Aead aead;
  for (auto _ : state) {
    if (!aead.seal(crypto::Suite::kAes256Gcm, key, nonce, data, out))
      return state.SkipWithError("not sealed");
  }
  set_bytes(state, data.size());
}
BENCHMARK(seal_frame)->ArgName("bytes")->Arg(4096)->Arg(64 << 10)->Arg(1 << 20);

void open_frame(benchmark::State& state) {
  const Bytes data = content_of(kRandom, static_cast<std::size_t>(state.range(0)));
  const crypto::Secret key = some_key();
  const Bytes nonce(crypto::kNonceSize);
  Bytes sealed(data.size() + crypto::kTagSize);
  Bytes out(data.size());
  crypto::Aead aead;
  if (!aead.seal(crypto::Suite::kAes256Gcm, key, nonce, data, sealed))
    return state.SkipWithError("not sealed");
  for (auto _ : state) {
    if (!aead.open(crypto::Suite::kAes256Gcm, key, nonce, sealed, out))
      return state.SkipWithError("not opened");
  }
  set_bytes(state, data.size());
}
BENCHMARK(open_frame)->ArgName("bytes")->Arg(4096)->Arg(64 << 10)->Arg(1 << 20);

}  // namespace
}  // namespace backstay::bench
