// The index: which chunk is where (docs/format.md section 5.5).
//
// Sorted immutable runs of 40-byte entries, mapped from the cache, each with a blocked Bloom filter
// of 12 bits an entry in front: that filter is what stays resident, 1.5 bytes a chunk. Runs are
// merged as they are written.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "backend/backend.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "chunk/chunk.h"
#include "repo/index_run.h"
#include "repo/key_slot.h"
#include "repo/location.h"

namespace backstay::repo {

class Index {
 public:
  struct Options {
    std::string cache_directory;  // empty: runs are held in memory
    std::uint64_t generation = 1;
    std::uint64_t merged_entries_max = 4 * 1024 * 1024;
  };
  Index(backend::Backend& store, const Keyring& keyring, const Config& config, Rng& rng,
        const Options& options);
  ~Index();

  // What collections condemned until now, and by which generation (docs/format.md section 8.4).
  // Before other threads start.
  void condemn(std::uint64_t generation, const std::vector<ObjectId>& packs);

  using DamagedRun = std::function<void(const ObjectId&, const Error&)>;
  // Whether runs that others supersede, and that are still there, serve too: for who misses a
  // chunk, because whoever may write runs can say of any that his own takes its place.
  enum class Superseded : std::uint8_t { kIgnored, kTakenToo };
  // Lists the runs and takes in those that are new; forgets those that are gone.
  Result<void> load(const DamagedRun& damaged, Superseded how = Superseded::kIgnored);

  // Packs that are lost or damaged: what they hold counts as not stored (section 8.5). Before other
  // threads start.
  void distrust(const std::vector<ObjectId>& packs);
  // One of them turned out to be whole.
  void trust(const ObjectId& pack);

  // For readers: a place in a pack that is trusted, else one in a pack that is not, because part of
  // a damaged pack may be whole, and one that is condemned may be there. Thread-safe, as all that
  // follows, also while runs are added.
  [[nodiscard]] std::optional<ChunkLocation> find(const chunk::ChunkId& id) const;
  // All places, those in trusted packs first.
  [[nodiscard]] std::vector<ChunkLocation> find_all(const chunk::ChunkId& id) const;
  // For writers: whether a trusted pack has it, or it is known to be elsewhere.
  [[nodiscard]] bool contains(const chunk::ChunkId& id) const;
  // For what is kept here until it can go elsewhere: chunks that need not be stored here, because
  // they are there. Called from several threads. Before other threads start.
  using KnownElsewhere = std::function<bool(const chunk::ChunkId&)>;
  void rely_elsewhere(KnownElsewhere known);
  [[nodiscard]] bool is_condemned(const ObjectId& pack) const;

  // What was looked up so far does not stay resident (io::MappedFile::forget_pages). Thread-safe.
  void forget_pages() const;

  // Stores a run for packs that are durable already, makes it durable and findable, and merges
  // where the rule of section 5.5 asks for it. Returns the bytes stored. `replaced` are damaged
  // runs that the new one takes the place of, which is not for write-only keys to say: theirs stay.
  // One thread at a time.
  Result<std::uint64_t> add(std::vector<PackEntries> packs, std::vector<ObjectId> replaced = {});
  // Takes the packs in until the next load(), and stores nothing. Not where add() is called too.
  Result<void> add_unstored(std::vector<PackEntries> packs);

  struct Totals {
    std::uint64_t runs = 0;
    std::uint64_t entries = 0;
    std::uint64_t filter_bytes = 0;  // resident
    std::uint64_t body_bytes = 0;    // on disk or mapped
  };
  [[nodiscard]] Totals totals() const;

  // Every pack that a run names and that is not condemned, once, with its size. For check and
  // stats.
  struct Pack {
    ObjectId id;
    PackKind kind = PackKind::kData;
    std::uint64_t size_bytes = 0;
  };
  [[nodiscard]] std::vector<Pack> packs() const;
  [[nodiscard]] std::vector<Pack> condemned_packs() const;
  // The runs themselves, for collections.
  [[nodiscard]] std::vector<std::shared_ptr<const IndexRun>> runs() const;
  // Writes the runs that name one of these packs anew without them, and durably, before it removes
  // the old ones. Returns the bytes stored. One thread at a time, as add().
  Result<std::uint64_t> drop_packs(const std::unordered_set<ObjectId>& packs);
  // Writes what runs say of these packs anew as `packs` has it, which is the truth. As
  // drop_packs().
  Result<std::uint64_t> replace_packs(std::vector<PackEntries> packs);
  // Removes runs that others supersede and that are still there, and merges what is to be merged.
  // As drop_packs().
  Result<std::uint64_t> tidy();
  // Every entry of every run with its place, duplicates included.
  void for_each_entry(const std::function<void(const IdPrefix&, const ChunkLocation&)>& each) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backstay::repo
