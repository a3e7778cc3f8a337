// Parity: a pack that joins a group, all of a group at once, and packs that come back.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.h"
#include "erasure/erasure_code.h"

namespace backstay::bench {
namespace {

constexpr std::size_t kPackBytes = 16 * 1024 * 1024;
constexpr std::size_t kBlockBytes = 256 * 1024;

std::vector<Bytes> noisy(std::size_t count, std::size_t size) {
  std::vector<Bytes> blocks(count, Bytes(size));
  SeededRng rng(9);
  for (Bytes& block : blocks) rng.fill(block);
  return blocks;
}

std::vector<erasure::MutableBlock> targets_in(std::vector<Bytes>& blocks) {
  std::vector<erasure::MutableBlock> targets;
  for (unsigned i = 0; i < blocks.size(); ++i)
    targets.push_back({.number = i, .bytes = blocks[i].data()});
  return targets;
}

void set_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

// A whole pack from memory that is in no cache, as it is when packs are covered.
void parity_pack_joins(benchmark::State& state) {
  const auto pack = noisy(1, kPackBytes);
  auto shards = noisy(static_cast<std::size_t>(state.range(0)), kPackBytes);
  const auto targets = targets_in(shards);
  for (auto _ : state) erasure::update(kPackBytes, {.number = 7, .bytes = pack[0].data()}, targets);
  set_bytes(state, kPackBytes);
}
BENCHMARK(parity_pack_joins)->Arg(1)->Arg(2)->Arg(4)->Arg(8);

// All slots at once, in blocks: what a placement of k + m pieces does.
void parity_encode(benchmark::State& state) {
  const auto data = noisy(static_cast<std::size_t>(state.range(0)), kBlockBytes);
  auto shards = noisy(static_cast<std::size_t>(state.range(1)), kBlockBytes);
  std::vector<erasure::Block> blocks;
  for (unsigned i = 0; i < data.size(); ++i)
    blocks.push_back({.number = i, .bytes = data[i].data()});
  const auto targets = targets_in(shards);
  for (auto _ : state) erasure::encode(kBlockBytes, blocks, targets);
  set_bytes(state, data.size() * kBlockBytes);
}
BENCHMARK(parity_encode)->Args({4, 2})->Args({8, 3})->Args({16, 4})->Args({40, 2});

// Bytes are those of all slots.
void parity_rebuild(benchmark::State& state) {
  const auto slots = static_cast<unsigned>(state.range(0));
  const auto lost = static_cast<unsigned>(state.range(1));
  const auto data = noisy(slots, kBlockBytes);
  const auto shards = noisy(lost, kBlockBytes);
  auto found = noisy(lost, kBlockBytes);
  std::vector<erasure::Block> blocks;
  std::vector<erasure::Block> parity;
  for (unsigned i = lost; i < slots; ++i) blocks.push_back({.number = i, .bytes = data[i].data()});
  for (unsigned i = 0; i < lost; ++i) parity.push_back({.number = i, .bytes = shards[i].data()});
  const auto targets = targets_in(found);
  for (auto _ : state)
    benchmark::DoNotOptimize(erasure::reconstruct(kBlockBytes, blocks, parity, targets));
  set_bytes(state, slots * kBlockBytes);
}
BENCHMARK(parity_rebuild)->Args({8, 3})->Args({40, 1})->Args({40, 2});

}  // namespace
}  // namespace backstay::bench
