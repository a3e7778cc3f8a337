// Index runs made by hand. For tests only.
#pragma once

#include <memory>
#include <vector>

#include "repo/index_run.h"
#include "repo/run_merge.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {

// What a run needs to be sealed and opened.
struct RunMaker {
  SharedRng rng{21};
  Config config = small_config(rng);
  Keyring keyring = Keyring::random(rng);

  // The object of a run with these entries, which are in order.
  [[nodiscard]] Bytes object(const std::vector<IndexRun::Entry>& entries,
                             std::vector<PackEntries> packs, std::vector<ObjectId> supersedes = {});
  // The object of a run for these packs, as Index::add makes it.
  [[nodiscard]] Bytes object(const std::vector<PackEntries>& packs,
                             std::vector<ObjectId> supersedes = {});
  [[nodiscard]] std::shared_ptr<const IndexRun> open(const Bytes& object) const;
};

[[nodiscard]] ObjectId numbered_pack(std::uint64_t number);
// A pack of `count` chunks of 100 bytes, one a frame, with ids that `seed` decides.
[[nodiscard]] PackEntries some_pack(std::uint64_t number, std::size_t count, std::uint64_t seed);
[[nodiscard]] IdPrefix some_prefix(std::uint64_t seed);
[[nodiscard]] chunk::ChunkId id_with(const IdPrefix& prefix);

}  // namespace backstay::repo
