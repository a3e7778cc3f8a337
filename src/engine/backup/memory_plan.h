// How many threads and how large buffers fit a memory limit: a sum that one can add up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "repo/config.h"
#include "repo/store_session.h"

namespace backstay::engine::backup_stages {

// Where the store is.
enum class Reach : std::uint8_t { kHere, kOverNetwork };
struct Route {
  Reach reach = Reach::kHere;
  std::size_t uploads_max = 0;  // that the store takes at once; 0: it has no limit of its own
};
[[nodiscard]] Route route_to(const backend::Backend& store);

struct MemoryPlan {
  std::size_t readers = 1;
  std::size_t encoders = 1;
  std::size_t slab_bytes = 0;  // for plaintext from where it is read until it is packed
  std::size_t slabs = 0;
  std::size_t entries_in_flight = 4096;  // between the walk and the tree
  std::uint64_t source_bytes = 0;        // what the source holds by itself
  std::size_t connections = 0;           // over which packs go, with buffers of their own
  repo::StoreSession::Options store;
  std::uint64_t total_bytes = 0;  // the sum of all of the above, and of contexts
};

// One row of the sum: docs/performance.md shows them all.
struct MemoryPart {
  std::string_view what;
  std::uint64_t count = 0;
  std::uint64_t bytes_each = 0;
};
[[nodiscard]] std::vector<MemoryPart> memory_parts(const MemoryPlan& plan,
                                                   const repo::Config& config,
                                                   std::uint64_t indexed_chunks);

// `limit_bytes` 0 stands for the default of 120 MiB and the filter of the index. Threads and packs
// shrink until the sum fits; the least is about 58 MiB with the default chunk sizes, and is used
// when the limit is lower than that. Over the network the default is 24 MiB more. What the source
// holds is part of the sum, and the default grows by it. To a store over the network several
// smaller packs go at once instead of one large one: while one waits for its answer, the others use
// the line. As many as fit into the limit may go, up to 16; how many do is found as it runs
// (backend/transfer_tuner.h).
[[nodiscard]] MemoryPlan plan_memory(const repo::Config& config, std::size_t threads,
                                     std::uint64_t limit_bytes, std::uint64_t indexed_chunks,
                                     std::uint64_t source_bytes = 0, const Route& route = {});

}  // namespace backstay::engine::backup_stages
