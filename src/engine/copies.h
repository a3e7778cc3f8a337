// A repository and its copies side by side: what a copy still is to get, and how good a place is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"

namespace backstay::engine {

// What names the snapshots of a repository in all that they are copied to (engine/copy.h).
[[nodiscard]] std::set<std::string> origins_of(const repo::RepositoryId& repository,
                                               const std::vector<repo::StoredSnapshot>& snapshots);

// What a copy gets after a backup: of each source (a host and its paths) those that are newer than
// the newest that it has, so that what was forgotten there does not come back. What is dated more
// than a day after `now` is no measure for others; what was `made_now` is always among them,
// because the clock may have been set back.
struct CatchUpOptions {
  std::size_t max = 100;  // the newest of them
  Timestamp now;
  std::optional<snapshot::SnapshotId> made_now = {};
};
struct CatchUp {
  std::vector<repo::StoredSnapshot> wanted;  // oldest first, and at last what was made now
  std::uint64_t left_out = 0;
};
[[nodiscard]] CatchUp catch_up(const repo::RepositoryId& from,
                               const std::vector<repo::StoredSnapshot>& originals,
                               const std::set<std::string>& there, const CatchUpOptions& options);

// What is known of one place.
struct Holdings {
  std::vector<repo::StoredSnapshot> snapshots;  // oldest first
  std::set<std::string> origins;
  std::uint64_t unreadable = 0;  // snapshots
  std::uint64_t packs = 0;
  std::uint64_t packs_damaged = 0;          // by the marks of checks
  std::uint64_t packs_lost = 0;             // the index names them; gone, or of another length
  std::uint64_t index_damages = 0;          // runs; 1 where snapshots are there and no run is
  std::uint64_t packs_verified = 0;         // by the memory of this machine's checks (check.h)
  std::optional<Timestamp> verified_since;  // when the one was that was not for longest
  bool append_only = false;
  // The store itself sees to it that no client's program removes the newest snapshot of any source.
  bool immutable = false;
};
// Loads the index: every pack that it names is to be there, and snapshots without any are damage.
// A pack that was not verified within `max_age` counts as not verified.
Result<Holdings> holdings_of(repo::Repository& repository, std::chrono::seconds max_age,
                             Activity& activity);

// How many of the sources have their newest snapshot (of `all`) among `origins`, and how many there
// are. As above, what is dated after `now` is the newest only of a source that has nothing else.
struct Currency {
  std::uint64_t current = 0;
  std::uint64_t sources = 0;
};
[[nodiscard]] Currency currency_of(const repo::RepositoryId& repository,
                                   const std::vector<repo::StoredSnapshot>& all,
                                   const std::set<std::string>& origins, Timestamp now);

}  // namespace backstay::engine
