// What a check does about packs that are damaged: it marks them, so that no backup relies on them,
// and tells those that matter from those that nothing needs any more (docs/format.md section 8.5).
#pragma once

#include <unordered_set>
#include <vector>

#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "repo/repository.h"

namespace backstay::engine::check_stages {

// The packs by what is known of them. `bad` is the sum of what must not be relied on.
struct PackStates {
  std::unordered_set<repo::ObjectId> bad;
  std::unordered_set<repo::ObjectId> lost;    // not there, or of another length
  std::unordered_set<repo::ObjectId> marked;  // found damaged before
  std::unordered_set<repo::ObjectId> strays;  // in no index run
};

// Where marks are written, and with which time.
struct MarkPlace {
  backend::Backend& store;
  const repo::RepositoryId& repository;
  Timestamp now;
};

struct JudgedPack {
  repo::Index::Pack pack;
  bool damaged = false;
};
// After packs were read whole: marks those that are damaged, and takes the mark from those that are
// whole again, which are no damage any more. What cannot be recorded is said.
void record_marks(const MarkPlace& place, const std::vector<JudgedPack>& read, PackStates& states,
                  DamageLog& log, Activity& activity);

// Drops from the log the packs that are known to be lost or damaged and that nothing needs; unless
// there is other damage, behind which a need for them may hide. Returns how many.
std::uint64_t drop_replaced(const std::vector<repo::Index::Pack>& packs, const PackStates& states,
                            const std::unordered_set<repo::ObjectId>& needed, DamageLog& log);

}  // namespace backstay::engine::check_stages
