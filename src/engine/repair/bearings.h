// The first steps of every repair: a lease, the index as far as it is whole, and what of the packs
// can be relied on.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/repair.h"
#include "repo/lease.h"
#include "repo/pack_survey.h"

namespace backstay::engine::repairing {

[[nodiscard]] inline std::string name_of(const repo::Index::Pack& pack) {
  return repo::object_name(repo::object_kind(pack.kind), pack.id);
}

struct Bearings {
  std::unique_ptr<repo::Lease> lease;  // null in a dry run on a medium that cannot be written
  std::vector<std::pair<repo::ObjectId, Error>> damaged_runs;
  repo::PackSurvey survey;
  repo::RecoveredPacks taken_in;  // packs that no run named
  bool runs_replaced = false;
  repo::ListedPacks present;
};

// Brings packs that no run names into the index (only for this run when it is dry), and takes their
// trust from packs that are lost or marked. permission_denied when packs that no run names cannot
// be read although the store answers: what is in them is not known.
Result<Bearings> take_bearings(repo::Repository& repository, RepairMode mode,
                               const RepairAuthor& author, repo::LeaseUse use, Activity& activity);

// The same once more, with the lease that there is: loads the index and lists the packs anew.
Result<void> look_again(repo::Repository& repository, RepairMode mode, Bearings& found);

Result<std::unique_ptr<repo::Lease>> take_repair_lease(repo::Repository& repository,
                                                       const RepairAuthor& author,
                                                       repo::LeaseUse use);
// The same, and refuses while not all generations can be read: which packs may be relied on is not
// known then.
Result<std::unique_ptr<repo::Lease>> begin_repair(repo::Repository& repository,
                                                  const RepairAuthor& author, repo::LeaseUse use);

}  // namespace backstay::engine::repairing
