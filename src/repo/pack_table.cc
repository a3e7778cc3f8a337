#include "repo/pack_table.h"

#include <algorithm>

#include "base/try.h"
#include "repo/damage_mark.h"

namespace backstay::repo {

Result<PackTable> PackTable::list(backend::Backend& store, const std::vector<Generation>& known) {
  PackTable table;
  table.known_ = known;
  for (const Generation& generation : known) {
    for (const ObjectId& pack : generation.condemned) {
      table.condemned_.insert_or_assign(pack, generation.number);
    }
  }
  const std::vector<ObjectId> marked = TRY_DOING("listing damaged packs", marked_packs(store));
  table.marked_ = {marked.begin(), marked.end()};
  TRY_DOING("listing packs", table.list_kind(store, PackKind::kData));
  TRY_DOING("listing packs", table.list_kind(store, PackKind::kMeta));
  return table;
}

Result<void> PackTable::list_kind(backend::Backend& store, PackKind kind) {
  const ObjectKind object = object_kind(kind);
  return store.list(name_prefix(object), [&](const backend::ObjectInfo& info) -> Result<void> {
    const auto id = parse_object_name(object, info.name);
    if (!id) return {};
    if (!numbers_.emplace(*id, static_cast<std::uint32_t>(packs_.size())).second) return {};
    const auto condemned = condemned_.find(*id);
    packs_.push_back({.pack = {.id = *id, .kind = kind, .size_bytes = info.size_bytes},
                      .modified = info.modified,
                      .condemned_in = condemned == condemned_.end() ? 0 : condemned->second,
                      .stored = true,
                      .present = true,
                      .marked = marked_.contains(*id)});
    return {};
  });
}

// One that the listing did not have may have come since, or is lost.
Result<void> PackTable::take_in_pack(backend::Backend& store, const Index::Pack& pack) {
  const auto [it, fresh] = numbers_.emplace(pack.id, static_cast<std::uint32_t>(packs_.size()));
  if (!fresh) {
    PackUse& use = packs_[it->second];
    use.in_index = true;
    use.present = use.pack.size_bytes == pack.size_bytes && use.pack.kind == pack.kind;
    return {};
  }
  const auto condemned = condemned_.find(pack.id);
  PackUse use{.pack = pack,
              .modified = {},
              .condemned_in = condemned == condemned_.end() ? 0 : condemned->second,
              .marked = marked_.contains(pack.id),
              .in_index = true};
  const auto info = store.head(object_name(object_kind(pack.kind), pack.id));
  if (!info && info.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(info.error().clone());
  }
  if (info) {
    use.modified = info->modified;
    use.stored = true;
    use.present = info->size_bytes == pack.size_bytes;
    use.young = true;
  }
  packs_.push_back(use);
  return {};
}

std::vector<ObjectId> PackTable::marks_without_pack() const {
  std::vector<ObjectId> stale;
  for (const ObjectId& pack : marked_) {
    if (!numbers_.contains(pack)) stale.push_back(pack);
  }
  return stale;
}

Result<void> PackTable::take_in(backend::Backend& store, const Index& index) {
  for (const auto& packs : {index.packs(), index.condemned_packs()}) {
    for (const Index::Pack& pack : packs) TRY(take_in_pack(store, pack));
  }
  const auto is_there = [&](const ObjectId& pack) { return numbers_.contains(pack); };
  for (const Generation& generation : known_) {
    if (std::ranges::none_of(generation.condemned, is_there)) spent_.push_back(generation.number);
  }
  return {};
}

}  // namespace backstay::repo
