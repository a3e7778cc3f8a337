// The verb prune: gives back the space of what no snapshot needs, while everything else goes on.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "engine/parity.h"
#include "repo/lease.h"
#include "repo/repository.h"

namespace backstay::engine {

struct PruneOptions {
  double unused_share_max = 0.05;  // of what is needed
  std::optional<std::uint64_t> repack_bytes_max;
  bool repack_small = false;
  std::optional<std::chrono::seconds> max_duration;  // then no other pack is begun
  bool dry_run = false;
  std::set<snapshot::SnapshotId> without;  // snapshots that a dry run takes for forgotten
  std::size_t uploads = 2;  // packs being put at once; 0: one after another, on this thread
  std::size_t threads = 0;  // besides this one, that compress what is stored again
};

// What a run is about to do, from the index alone, and about.
struct PruneCost {
  std::uint64_t packs_dropped = 0;
  std::uint64_t packs_repacked = 0;
  std::uint64_t bytes_read = 0;     // of packs
  std::uint64_t bytes_written = 0;  // of packs
  std::uint64_t bytes_freed = 0;    // of packs, at once
  std::uint64_t bytes_later = 0;    // when what runs now has ended
  ParityTraffic parity;
};

struct PruneReport {
  PruneCost planned;  // before anything changed
  std::uint64_t snapshots = 0;
  std::uint64_t chunks = 0;  // in the index, the same one counted as often as it is stored
  std::uint64_t packs = 0;
  std::uint64_t bytes_packs = 0;     // of all packs, before
  std::uint64_t bytes_needed = 0;    // about, of them
  std::uint64_t bytes_unused = 0;    // about, in packs that stay
  std::uint64_t chunks_missing = 0;  // needed and stored nowhere

  std::uint64_t packs_dropped = 0;   // nothing in them was needed
  std::uint64_t packs_repacked = 0;  // what was needed of them was stored again
  std::uint64_t packs_damaged = 0;   // met while repacking, and kept
  std::uint64_t bytes_read = 0;      // of packs; of a dry run, about
  std::uint64_t bytes_written = 0;   // all objects but parity; of a dry run, about
  ParityTraffic parity;              // besides; of a dry run, about

  // Not needed, or not wholly, and kept because the store's object lock does not let them go.
  std::uint64_t packs_locked = 0;
  std::uint64_t bytes_locked = 0;
  std::optional<Timestamp> locked_until;  // the last of them; none: legal holds only

  std::uint64_t packs_removed = 0;
  // Of packs, whatever was written meanwhile; of a dry run, about, what would go at once.
  std::uint64_t bytes_freed = 0;
  std::uint64_t packs_waiting = 0;
  std::uint64_t bytes_waiting = 0;
  // Of those: something in them is needed, and could not be stored again; or may be, because chunks
  // are missed. They stay until that is mended, whoever ends.
  std::uint64_t packs_kept = 0;
  std::uint64_t bytes_kept = 0;
  std::vector<repo::ListedLease> waiting_for;  // those that are alive and older
  std::uint64_t leases_ended = 0;
  bool stopped_by_time = false;
};

// docs/format.md sections 8.2 to 8.7. Frees what may go before it copies anything. Fails, and frees
// nothing, when a snapshot, a tree or an index run cannot be read: what it refers to is not known.
// cancelled when asked to stop: what was done until then counts, and the next run goes on.
Result<PruneReport> prune(repo::Repository& repository, const PruneOptions& options,
                          Activity& activity);

}  // namespace backstay::engine
