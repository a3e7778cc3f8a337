#include "engine/check/pack_damage.h"

#include <fmt/format.h>

#include "repo/damage_mark.h"

namespace backstay::engine::check_stages {

static std::string name_of(const repo::Index::Pack& pack) {
  return repo::object_name(repo::object_kind(pack.kind), pack.id);
}

void record_marks(const MarkPlace& place, const std::vector<JudgedPack>& read, PackStates& states,
                  DamageLog& log, Activity& activity) {
  bool told = false;
  std::unordered_set<std::string> whole_again;
  for (const auto& [pack, damaged] : read) {
    if (states.lost.contains(pack.id)) continue;
    const bool marked = states.marked.contains(pack.id);
    if (damaged) states.bad.insert(pack.id);
    if (damaged == marked) continue;
    const auto recorded =
        damaged ? repo::mark_damaged(place.store, place.repository, pack.id, pack.kind, place.now)
                : repo::remove_mark(place.store, pack.id);
    if (!damaged) {
      states.bad.erase(pack.id);
      states.marked.erase(pack.id);
      whole_again.insert(name_of(pack));
    }
    if (recorded || told) continue;
    told = true;
    activity.note(fmt::format(
        "which packs are damaged could not be recorded in the repository ({}): backups go on "
        "relying on them until a check may write there",
        recorded.error().describe()));
  }
  log.drop(whole_again);
}

std::uint64_t drop_replaced(const std::vector<repo::Index::Pack>& packs, const PackStates& states,
                            const std::unordered_set<repo::ObjectId>& needed, DamageLog& log) {
  std::unordered_set<std::string> without_use;
  for (const repo::Index::Pack& pack : packs) {
    const bool known = states.lost.contains(pack.id) || states.marked.contains(pack.id) ||
                       states.strays.contains(pack.id);
    const std::string name = name_of(pack);
    if (known && !needed.contains(pack.id) && log.contains(name)) without_use.insert(name);
  }
  if (log.size() != without_use.size()) return 0;
  log.drop(without_use);
  return without_use.size();
}

}  // namespace backstay::engine::check_stages
