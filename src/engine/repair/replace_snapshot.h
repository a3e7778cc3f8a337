// A snapshot gives its place to another one, with what is said about it (docs/format.md section
// 8.8).
#pragma once

#include <string>

#include "engine/repair.h"
#include "repo/repository.h"

namespace backstay::engine::repairing {

enum class OldSnapshot : std::uint8_t { kRemove, kKeep };

struct Succession {
  snapshot::SnapshotId old;
  snapshot::SnapshotId made;  // committed
  OldSnapshot what = OldSnapshot::kRemove;
  // Committed by this run a moment ago: nobody has said anything about it yet.
  bool fresh = true;
};
enum class HandedOver : std::uint8_t {
  kDone,
  kStays,      // see `why`
  kForgotten,  // the old one was removed meanwhile; so was the new one, if it was fresh
};
struct HandOver {
  HandedOver outcome = HandedOver::kDone;
  std::string why;
};
// Gives the new one the tags and holds that the old one has by now, and then removes the old one
// together with what is said about it. May be cut anywhere and done again.
Result<HandOver> hand_over(repo::Repository& repository, const Succession& succession,
                           const RepairAuthor& author);

}  // namespace backstay::engine::repairing
