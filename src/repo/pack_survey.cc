#include "repo/pack_survey.h"

#include <algorithm>
#include <unordered_set>

#include "base/try.h"
#include "repo/damage_mark.h"

namespace backstay::repo {

Result<ListedPacks> list_packs(backend::Backend& store) {
  ListedPacks listed;
  for (const PackKind kind : {PackKind::kData, PackKind::kMeta}) {
    const ObjectKind object = object_kind(kind);
    const auto take = [&](const backend::ObjectInfo& info) -> Result<void> {
      if (const auto id = parse_object_name(object, info.name))
        listed.emplace(*id, Index::Pack{.id = *id, .kind = kind, .size_bytes = info.size_bytes});
      return {};
    };
    TRY_DOING("listing packs", store.list(name_prefix(object), take));
  }
  return listed;
}

// A list may be behind; asking by name is not.
static Result<void> look_for_unlisted(backend::Backend& store, const Index& index,
                                      ListedPacks& listed) {
  for (const Index::Pack& pack : index.packs()) {
    const auto it = listed.find(pack.id);
    if (it != listed.end() && it->second.size_bytes == pack.size_bytes) continue;
    const std::string name = object_name(object_kind(pack.kind), pack.id);
    const auto info = store.head(name);
    if (!info && info.error().code() == ErrorCode::kNotFound) continue;
    if (!info) return std::unexpected(info.error().clone().with_context("looking for " + name));
    listed[pack.id] = {.id = pack.id, .kind = pack.kind, .size_bytes = info->size_bytes};
  }
  return {};
}

Result<PackSurvey> survey_packs(backend::Backend& store, const Index& index, ListedPacks listed) {
  PackSurvey survey;
  survey.marked = TRY_DOING("listing damaged packs", marked_packs(store));
  if (!store.capabilities().lists_at_once) TRY(look_for_unlisted(store, index, listed));
  for (const Index::Pack& pack : index.packs()) {
    const auto it = listed.find(pack.id);
    const bool whole = it != listed.end() && it->second.size_bytes == pack.size_bytes &&
                       it->second.kind == pack.kind;
    if (!whole) survey.lost.push_back(pack.id);
    if (it != listed.end()) listed.erase(it);
  }
  const std::unordered_set<ObjectId> marked(survey.marked.begin(), survey.marked.end());
  for (const Index::Pack& pack : index.condemned_packs()) listed.erase(pack.id);
  for (const auto& [id, pack] : listed) {
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

Result<PackSurvey> survey_packs(backend::Backend& store, const Index& index) {
  return survey_packs(store, index, TRY(list_packs(store)));
}

}  // namespace backstay::repo
