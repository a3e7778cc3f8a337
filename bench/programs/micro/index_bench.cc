// The index: looking up, building and merging runs; and the packs that it names.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "chunk/chunk.h"
#include "crypto/random.h"
#include "repo/index_run.h"
#include "repo/open_pack.h"
#include "repo/run_merge.h"

namespace backstay::bench {
namespace {

using repo::IndexRun;
using repo::PackEntries;

constexpr std::uint32_t kSealedBytes = 116;
constexpr std::size_t kChunksInPack = 16 * 1024;

struct Keys {
  crypto::SystemRng rng;
  repo::Keyring keyring = repo::Keyring::random(rng);
  repo::Config config;
  Keys() { rng.fill(config.id.bytes); }
};

repo::IdPrefix prefix_number(std::uint64_t number) {
  repo::IdPrefix prefix;
  SeededRng(number * 0x9e3779b97f4a7c15U).fill(prefix);
  return prefix;
}

PackEntries pack_of(std::uint64_t first, std::size_t chunks) {
  PackEntries pack{.pack = {}, .kind = repo::PackKind::kData, .size_bytes = 0, .chunks = {}};
  SeededRng(first + 1).fill(pack.pack.bytes);
  pack.size_bytes = repo::kHeaderSize + chunks * kSealedBytes;
  for (std::size_t i = 0; i < chunks; ++i) {
    pack.chunks.push_back({.id = prefix_number(first + i),
                           .frame_offset = static_cast<std::uint32_t>(repo::kHeaderSize) +
                                           static_cast<std::uint32_t>(i) * kSealedBytes,
                           .sealed_length = kSealedBytes,
                           .raw_length = 100,
                           .codec = compress::Codec::kStored,
                           .offset_in_frame = 0});
  }
  return pack;
}

std::vector<PackEntries> packs_of(std::uint64_t first, std::uint64_t chunks) {
  std::vector<PackEntries> packs;
  for (std::uint64_t at = 0; at < chunks; at += kChunksInPack) {
    packs.push_back(pack_of(first + at, std::min<std::uint64_t>(kChunksInPack, chunks - at)));
  }
  return packs;
}

// Sorted, sealed, one object; or nothing.
Bytes object_of(Keys& keys, const std::vector<PackEntries>& packs) {
  std::vector<IndexRun::Entry> entries = repo::entries_of(packs);
  std::ranges::sort(entries, repo::entry_before);
  auto writer = repo::IndexRunWriter::create(
      keys.keyring, keys.config, keys.rng,
      {.entries = entries.size(), .generation = 1, .supersedes = {}, .packs = packs});
  if (!writer) return {};
  for (const IndexRun::Entry& entry : entries) {
    if (!(*writer)->add(entry)) return {};
  }
  const auto written = (*writer)->finish();
  return written ? written->object.all().value_or(Bytes()) : Bytes();
}

std::shared_ptr<const IndexRun> run_of(Keys& keys, std::uint64_t first, std::uint64_t chunks) {
  const Bytes object = object_of(keys, packs_of(first, chunks));
  auto body = repo::open_index_object(object, keys.keyring, keys.config.id);
  if (!body) return nullptr;
  return IndexRun::open(repo::id_of(object), std::move(*body)).value_or(nullptr);
}

void look_up(benchmark::State& state, std::uint64_t first_asked) {
  Keys keys;
  const auto size = static_cast<std::uint64_t>(state.range(0));
  const auto run = run_of(keys, 0, size);
  if (run == nullptr) return state.SkipWithError("no run");
  // Asked in an order that no cache can foresee; made beforehand.
  std::vector<repo::IdPrefix> asked;
  SeededRng rng(5);
  for (std::size_t i = 0; i < 1 << 16; ++i)
    asked.push_back(prefix_number(first_asked + rng.below(size)));
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(run->find(asked[next++ % asked.size()]));
  state.SetItemsProcessed(state.iterations());
}
void look_up_hit(benchmark::State& state) {
  look_up(state, 0);
}
void look_up_miss(benchmark::State& state) {
  look_up(state, 1ULL << 40);
}
BENCHMARK(look_up_hit)->ArgName("entries")->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);
BENCHMARK(look_up_miss)->ArgName("entries")->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);

void build_run(benchmark::State& state) {
  Keys keys;
  const auto packs = packs_of(0, static_cast<std::uint64_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(object_of(keys, packs));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(build_run)->ArgName("entries")->Arg(128 * 1024)->Unit(benchmark::kMillisecond);

// What a reader does once with each run: authenticate, check, build the filter.
void open_run(benchmark::State& state) {
  Keys keys;
  const Bytes object = object_of(keys, packs_of(0, static_cast<std::uint64_t>(state.range(0))));
  for (auto _ : state) {
    auto body = repo::open_index_object(object, keys.keyring, keys.config.id);
    if (!body || !IndexRun::open({}, std::move(*body))) return state.SkipWithError("not opened");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(open_run)->ArgName("entries")->Arg(128 * 1024)->Unit(benchmark::kMillisecond);

void merge_runs(benchmark::State& state) {
  constexpr std::uint64_t kRuns = 8;
  Keys keys;
  const auto size = static_cast<std::uint64_t>(state.range(0));
  std::vector<std::shared_ptr<const IndexRun>> runs;
  for (std::uint64_t i = 0; i < kRuns; ++i) runs.push_back(run_of(keys, i * size, size));
  for (auto _ : state) {
    repo::RunMerge merge(runs);
    auto writer =
        repo::IndexRunWriter::create(keys.keyring, keys.config, keys.rng, merge.head(1, {}));
    if (!writer) return state.SkipWithError("no writer");
    while (const auto entry = merge.next()) {
      if (!(*writer)->add(*entry)) return state.SkipWithError("not added");
    }
    benchmark::DoNotOptimize((*writer)->finish());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRuns * size));
}
BENCHMARK(merge_runs)->ArgName("entries each")->Arg(16 * 1024)->Unit(benchmark::kMillisecond);

// A pack of 16 MiB: places reserved, frames sealed into them, the directory, the name.
void build_pack(benchmark::State& state) {
  constexpr std::size_t kPackBytes = 16 * 1024 * 1024;
  Keys keys;
  const auto frame_bytes = static_cast<std::size_t>(state.range(0));
  Bytes frame(frame_bytes);
  keys.rng.fill(frame);
  crypto::Aead aead;
  PageBuffer buffer(kPackBytes);
  std::size_t stored = 0;
  for (auto _ : state) {
    auto pack = repo::OpenPack::create(repo::PackKind::kData, std::move(buffer), keys.keyring,
                                       keys.config, keys.rng);
    if (!pack) return state.SkipWithError("no pack");
    repo::FrameRecord record{
        .sealed_length = static_cast<std::uint32_t>(frame_bytes + crypto::kTagSize),
        .raw_length = static_cast<std::uint32_t>(frame_bytes),
        .codec = compress::Codec::kStored,
        .chunks = {}};
    while ((*pack)->fits(record)) {
      record.chunks = {{.id = {}, .length = static_cast<std::uint32_t>(frame_bytes)}};
      const auto place = (*pack)->reserve(record);
      const repo::Nonce nonce(place.offset, repo::Purpose::kFrame);
      if (!aead.seal((*pack)->suite(), (*pack)->key(), nonce.view(), frame, place.place))
        return state.SkipWithError("not sealed");
      (*pack)->written();
      stored += frame_bytes;
    }
    benchmark::DoNotOptimize((*pack)->finish(keys.rng));
    buffer = (*pack)->take_buffer();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(stored));
}
BENCHMARK(build_pack)
    ->ArgName("frame bytes")
    ->Arg(64 << 10)
    ->Arg(512 << 10)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace backstay::bench
