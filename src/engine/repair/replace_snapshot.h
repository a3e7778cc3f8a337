// A snapshot gives its place to another one, with what is said about it (docs/format.md section
// 8.8).
#pragma once

#include <optional>
#include <string>

#include "engine/repair.h"
#include "repo/lease.h"
#include "repo/repository.h"

namespace backstay::engine::repairing {

enum class OldSnapshot : std::uint8_t { kRemove, kKeep };

struct Succession {
  snapshot::SnapshotId old;
  const repo::StoredSnapshot& made;  // committed
  // Under which it was committed, and which is still held: as long as it is listed, a forget leaves
  // the new one in place and counts it for nothing. Null where the old one stays.
  const repo::Lease* lease = nullptr;
  OldSnapshot what = OldSnapshot::kRemove;
  // Nobody has said anything about the new one yet.
  bool fresh = true;
};
enum class HandedOver : std::uint8_t {
  kDone,
  kStays,      // see `why`
  kForgotten,  // the old one was removed meanwhile; the new one stays
};
struct HandOver {
  HandedOver outcome = HandedOver::kDone;
  std::string why;
};
// Gives the new one the tags and holds that the old one has by now, and then removes the old one
// together with what is said about it. May be cut anywhere and done again.
Result<HandOver> hand_over(repo::Repository& repository, const Succession& succession,
                           const RepairAuthor& author);

// Why it cannot be removed as things are, or nothing: its holds say so. `now` is by the store's
// clock.
Result<std::optional<std::string>> why_it_stays(repo::Repository& repository,
                                                const snapshot::SnapshotId& id, Timestamp now);

}  // namespace backstay::engine::repairing
