#include "engine/check/parity_check.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "base/try.h"
#include "engine/parity/inventory.h"

namespace backstay::engine::check_stages {

namespace {

using parity_stages::Inventory;
using parity_stages::PackState;
using parity_stages::ParityGroup;

constexpr std::string_view kStep =
    "Run 'backstay parity repair': parity can bring it back as it was.";

bool is_pack_name(const std::string& name) {
  return name.starts_with("data/") || name.starts_with("meta/");
}

// Of packs that are lost, those that their group has shards enough for; and what is copied.
std::unordered_set<std::string> within_reach(const Inventory& found) {
  std::unordered_set<std::string> names;
  for (const ParityGroup& group : found.groups) {
    const auto shards =
        std::ranges::count_if(group.shards, [](const auto& shard) { return shard.has_value(); });
    const auto missing =
        std::ranges::count_if(group.directory.members, [&](const repo::ParityMember& member) {
          return found.state_of(member) == PackState::kLost ||
                 !found.packs.contains(member.pack);
        });
    if (missing > shards) continue;
    for (const repo::ParityMember& member : group.directory.members)
      names.insert(parity_stages::pack_name(member));
  }
  for (const auto& set : found.copies) {
    for (const repo::ParityCopy& copy : set.head.directory.copies) names.insert(copy.name);
  }
  return names;
}

}  // namespace

Result<void> check_parity_objects(backend::Backend& store, const std::vector<StoredObject>& objects,
                                  ParityDepth depth, const std::stop_token& stop,
                                  const JudgeObject& judge) {
  for (const StoredObject& object : objects) {
    if (object.kind != repo::ObjectKind::kParity) continue;
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    if (depth == ParityDepth::kWhole) {
      TRY(judge(verify_stored(store, object), object));
      continue;
    }
    const auto head = repo::read_parity_head(store, object.name, object.size_bytes);
    // Of a later version, perhaps.
    const bool known = head || head.error().code() != ErrorCode::kUnsupported;
    const Result<void> read =
        head || !known ? Result<void>() : Result<void>(std::unexpected(head.error().clone()));
    TRY(judge(read, object));
  }
  return {};
}

void advise_parity(const ParityPlace& place, std::vector<Damage>& damages, Activity& activity) {
  const auto may_be_covered = [](const Damage& damage) {
    return is_pack_name(damage.object) || damage.object == "config" ||
           damage.object.starts_with("snapshots/") || damage.object.starts_with("holds/") ||
           damage.object.starts_with("tags/");
  };
  if (std::ranges::none_of(damages, may_be_covered)) return;
  const auto found = parity_stages::take_inventory(place, activity);
  if (!found) return;
  const auto names = within_reach(*found);
  for (Damage& damage : damages) {
    if (may_be_covered(damage) && names.contains(damage.object)) damage.next = kStep;
  }
}

}  // namespace backstay::engine::check_stages
