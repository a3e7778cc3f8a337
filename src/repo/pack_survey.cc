#include "repo/pack_survey.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/try.h"
#include "repo/damage_mark.h"

namespace backstay::repo {

namespace {

using PresentPacks = std::unordered_map<ObjectId, Index::Pack>;

Result<void> list_packs(backend::Backend& store, PackKind kind, PresentPacks& present) {
  return store.list(
      name_prefix(object_kind(kind)), [&](const backend::ObjectInfo& info) -> Result<void> {
        if (const auto id = parse_object_name(object_kind(kind), info.name)) {
          present.emplace(*id, Index::Pack{.id = *id, .kind = kind, .size_bytes = info.size_bytes});
        }
        return {};
      });
}

}  // namespace

Result<PackSurvey> survey_packs(backend::Backend& store, const Index& index) {
  PackSurvey survey;
  PresentPacks present;
  TRY_DOING("listing packs", list_packs(store, PackKind::kData, present));
  TRY_DOING("listing packs", list_packs(store, PackKind::kMeta, present));
  survey.marked = TRY_DOING("listing damaged packs", marked_packs(store));
  for (const Index::Pack& pack : index.packs()) {
    const auto it = present.find(pack.id);
    const bool whole = it != present.end() && it->second.size_bytes == pack.size_bytes &&
                       it->second.kind == pack.kind;
    if (!whole) survey.lost.push_back(pack.id);
    if (it != present.end()) present.erase(it);
  }
  const std::unordered_set<ObjectId> marked(survey.marked.begin(), survey.marked.end());
  for (const Index::Pack& pack : index.condemned_packs()) present.erase(pack.id);
  for (const auto& [id, pack] : present) {
    if (index.is_condemned(id)) {
      survey.condemned_strays.push_back(pack);
      continue;
    }
    (marked.contains(id) ? survey.marked_strays : survey.strays).push_back(pack);
  }
  std::ranges::sort(survey.strays, {}, &Index::Pack::id);
  std::ranges::sort(survey.marked_strays, {}, &Index::Pack::id);
  std::ranges::sort(survey.condemned_strays, {}, &Index::Pack::id);
  return survey;
}

}  // namespace backstay::repo
