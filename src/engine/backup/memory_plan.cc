#include "engine/backup/memory_plan.h"

#include <algorithm>
#include <thread>

#include "base/byte_size.h"
#include "engine/backup/frame_stage.h"

namespace backstay::engine::backup_stages {

namespace {

constexpr std::uint64_t kDefaultLimit = 120 * kMiB;
constexpr std::uint64_t kBase =
    22 * kMiB;  // the program and its libraries, stacks, the heap of a run of a million files:
                // claims of chunks and entries since the last checkpoint, the index filter
constexpr std::uint64_t kCodecContexts = 2 * kMiB;  // zstd at the fast levels, one a thread
constexpr std::uint64_t kEntryInFlight = 1024;

std::uint64_t sum_of(const MemoryPlan& plan, const repo::Config& config) {
  const std::uint64_t chunk = config.cut.max_bytes;
  // An encoder holds the packed form and what it decoded to compare; the plaintext is in a slab.
  const std::uint64_t encoder =
      2 * std::max<std::uint64_t>(chunk, config.frame_bytes) + kCodecContexts;
  return kBase + plan.slabs * plan.slab_bytes + kMetaSlabs * kMetaSlabBytes +
         plan.encoders * encoder + plan.entries_in_flight * kEntryInFlight +
         repo::StoreSession::memory_bound(plan.store);
}

// A slab must hold a chunk of the greatest size, and what leads up to a border of fixed pieces and
// one such piece, and a frame; with some room, so that little of it is what did not fit into the
// slab before.
std::size_t slab_least(const repo::Config& config) {
  return std::max<std::size_t>({config.cut.max_bytes, 2 * std::size_t{config.fixed_piece_bytes},
                                config.frame_bytes}) +
         kMiB;
}

// A reader holds one slab with small files and one with a part of a larger file while it waits for
// the next; the third is what the encoders have meanwhile.
constexpr std::size_t kSlabsOfReader = 3;

// Packs grow with the repository, so that their number stays handy (docs/format.md section 5.4).
std::uint32_t pack_bytes_for(const repo::Config& config, std::uint64_t indexed_chunks) {
  constexpr std::uint64_t kManyChunks = 1'000'000;
  constexpr std::uint32_t kGrownMax = 256U << 20;
  std::uint32_t bytes = config.pack_bytes;
  if (bytes >= kGrownMax) return bytes;
  if (indexed_chunks > kManyChunks) bytes *= 2;
  if (indexed_chunks > 4 * kManyChunks) bytes *= 2;
  return bytes;
}

}  // namespace

MemoryPlan plan_memory(const repo::Config& config, std::size_t threads, std::uint64_t limit_bytes,
                       std::uint64_t indexed_chunks) {
  const std::size_t processors = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const std::uint64_t limit = limit_bytes != 0 ? limit_bytes : kDefaultLimit;
  MemoryPlan plan;
  plan.readers = plan.encoders = threads != 0 ? threads : processors;
  const std::size_t least = slab_least(config);
  plan.slab_bytes = std::max<std::size_t>(2 * config.cut.max_bytes, least);
  plan.store.compression = config.compression;
  plan.store.pack_bytes = pack_bytes_for(config, indexed_chunks);
  plan.store.uploads = 1;
  // What costs least speed goes first: packs, then queues, then threads.
  while (true) {
    plan.slabs = kSlabsOfReader * plan.readers;
    if (sum_of(plan, config) <= limit) break;
    if (plan.store.pack_bytes > 8 * kMiB)
      plan.store.pack_bytes /= 2;
    else if (plan.slab_bytes > least)
      plan.slab_bytes = std::max<std::size_t>(plan.slab_bytes - kMiB, least);
    else if (plan.readers > 1)
      plan.readers -= 1;
    else if (plan.encoders > 1)
      plan.encoders -= 1;
    else if (plan.store.pack_bytes > 2 * kMiB)
      plan.store.pack_bytes /= 2;
    else if (plan.entries_in_flight > 512)
      plan.entries_in_flight /= 2;
    else
      break;
  }
  plan.total_bytes = sum_of(plan, config);
  return plan;
}

}  // namespace backstay::engine::backup_stages
