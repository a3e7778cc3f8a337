#include "engine/backup/memory_plan.h"

#include <algorithm>
#include <thread>

#include "base/byte_size.h"
#include "engine/backup/frame_stage.h"

namespace backstay::engine::backup_stages {

namespace {

constexpr std::uint64_t kDefaultLimit = 120 * kMiB;
constexpr std::uint64_t kMoreOverNetwork = 24 * kMiB;
constexpr std::uint64_t kProgram = 10 * kMiB;   // it and its libraries, stacks, small things
constexpr std::uint64_t kIndexWork = 3 * kMiB;  // a segment of an index run that is written, its
                                                // copy on the way out, what is mapped of those that
                                                // are merged
constexpr std::uint64_t kCodecContexts = 2 * kMiB;  // zstd at the fast levels, one a thread
constexpr std::uint64_t kEntryInFlight = 1024;
constexpr std::uint64_t kConnectionBytes =
    kMiB;  // what libcurl is told to take, in both directions
// The filter of the index takes 12 bits a chunk (docs/format.md section 5.5).
constexpr std::uint64_t kFilterChunks = 1024;
constexpr std::uint64_t kFilterBytes = kFilterChunks * 12 / 8;
constexpr std::uint64_t kCheckpointEntriesLeast = 12 * 1024;

std::uint64_t sum_of(const MemoryPlan& plan, const repo::Config& config, std::uint64_t chunks) {
  std::uint64_t sum = 0;
  for (const MemoryPart& part : memory_parts(plan, config, chunks)) {
    sum += part.count * part.bytes_each;
  }
  return sum;
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

// Of half the size; as many of them as fit.
constexpr std::size_t kUploadsOverNetwork = 16;
constexpr std::uint32_t kPackLeastOverNetwork = 4U << 20;
// So many smaller ones before fewer: over a line of 200 ms a connection of SFTP carries 10 MB/s.
constexpr std::size_t kUploadsFirst = 4;
constexpr std::uint32_t kPackOfMany = 6U << 20;
constexpr std::uint32_t kPackStep = 1U << 20;

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

// Makes one thing smaller: what costs least speed goes first, packs, then queues, then threads.
// False when all is as small as it gets.
bool shrink(MemoryPlan& plan, Reach reach, std::size_t slab_bytes_least) {
  repo::StoreSession::Options& store = plan.store;
  if (store.pack_bytes > 8 * kMiB)
    store.pack_bytes /= 2;
  else if (store.uploads > kUploadsFirst)
    store.uploads -= 1;
  else if (plan.slab_bytes > slab_bytes_least)
    plan.slab_bytes = std::max<std::size_t>(plan.slab_bytes - kMiB, slab_bytes_least);
  else if (reach == Reach::kOverNetwork && store.pack_bytes > kPackOfMany)
    store.pack_bytes = std::max(store.pack_bytes - kPackStep, kPackOfMany);
  else if (store.uploads > 2)
    store.uploads -= 1;
  else if (store.checkpoint_entries > kCheckpointEntriesLeast)
    store.checkpoint_entries /= 2;
  else if (plan.entries_in_flight > 2048)
    plan.entries_in_flight /= 2;
  else if (store.uploads > 1)
    store.uploads -= 1;
  else if (plan.readers > 1)
    plan.readers -= 1;
  else if (plan.encoders > 1)
    plan.encoders -= 1;
  else if (store.pack_bytes > 2 * kMiB)
    store.pack_bytes /= 2;
  else if (plan.entries_in_flight > 512)
    plan.entries_in_flight /= 2;
  else
    return false;
  return true;
}

}  // namespace

Route route_to(const backend::Backend& store) {
  const backend::Capabilities can = store.capabilities();
  return {.reach = can.over_network ? Reach::kOverNetwork : Reach::kHere,
          .uploads_max = can.transfers_max};
}

std::vector<MemoryPart> memory_parts(const MemoryPlan& plan, const repo::Config& config,
                                     std::uint64_t indexed_chunks) {
  const std::uint64_t frame = std::max<std::uint64_t>(config.cut.max_bytes, config.frame_bytes);
  const repo::StoreSession::Options& store = plan.store;
  std::vector<MemoryPart> parts{
      {"the program and its libraries", 1, kProgram},
      {"slabs of plaintext, from where it is read until it is packed", plan.slabs, plan.slab_bytes},
      {"slabs of tree pages and lists", kMetaSlabs, kMetaSlabBytes},
      {"an encoder's packed frame and what that decodes to", plan.encoders, 2 * frame},
      {"an encoder's zstd contexts", plan.encoders, kCodecContexts},
      {"packs that are open, full, or being stored", 1, repo::StoreSession::memory_bound(store)},
      {"chunks that no index run names yet", repo::StoreSession::unindexed_chunks_max(store),
       repo::StoreSession::kBytesOfUnindexedChunk},
      {"an index run that is written or merged", 1, kIndexWork},
      {"entries between the walk and the tree", plan.entries_in_flight, kEntryInFlight},
      {"filters of 1,024 indexed chunks", (indexed_chunks + kFilterChunks - 1) / kFilterChunks,
       kFilterBytes},
  };
  if (plan.source_bytes > 0)
    parts.push_back({"the repository that is copied from", 1, plan.source_bytes});
  if (plan.connections > 0)
    parts.push_back({"buffers of connections", plan.connections, kConnectionBytes});
  return parts;
}

MemoryPlan plan_memory(const repo::Config& config, std::size_t threads, std::uint64_t limit_bytes,
                       std::uint64_t indexed_chunks, std::uint64_t source_bytes,
                       const Route& route) {
  const std::size_t processors = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  // Where nobody says what there is, a large index does not cost threads.
  const bool is_far = route.reach == Reach::kOverNetwork;
  const std::uint64_t more = is_far ? kMoreOverNetwork : 0;
  const std::uint64_t limit = limit_bytes != 0 ? limit_bytes
                                               : kDefaultLimit + more + source_bytes +
                                                     indexed_chunks / kFilterChunks * kFilterBytes;
  MemoryPlan plan;
  plan.source_bytes = source_bytes;
  plan.readers = plan.encoders = threads != 0 ? threads : processors;
  const std::size_t least = slab_least(config);
  plan.slab_bytes = std::max<std::size_t>(2 * config.cut.max_bytes, least);
  plan.store.compression = config.compression;
  plan.store.pack_bytes = pack_bytes_for(config, indexed_chunks);
  plan.store.uploads = 1;
  if (is_far) {
    plan.store.uploads = route.uploads_max == 0 ? kUploadsOverNetwork
                                                : std::min(route.uploads_max, kUploadsOverNetwork);
    plan.store.pack_bytes =
        std::max(plan.store.pack_bytes / 2, std::min(plan.store.pack_bytes, kPackLeastOverNetwork));
  }
  do {
    plan.slabs = kSlabsOfReader * plan.readers;
    plan.connections = is_far ? plan.store.uploads : 0;
  } while (sum_of(plan, config, indexed_chunks) > limit && shrink(plan, route.reach, least));
  plan.total_bytes = sum_of(plan, config, indexed_chunks);
  return plan;
}

}  // namespace backstay::engine::backup_stages
