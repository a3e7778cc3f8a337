#include "repo/damage_mark.h"

#include "base/record.h"
#include "base/try.h"

namespace backstay::repo {

Result<void> mark_damaged(backend::Backend& store, const RepositoryId& repository,
                          const ObjectId& pack, PackKind kind, Timestamp now) {
  Bytes record;
  RecordWriter out(record);
  out.bytes(1, pack.view());
  out.number(2, static_cast<std::uint64_t>(kind));
  out.signed_number(3, now.seconds);
  out.number(4, now.nanos);
  auto put = store.put(object_name(ObjectKind::kDamageMark, pack),
                       encode_plain_object(ObjectKind::kDamageMark, repository, record));
  if (!put && put.error().code() != ErrorCode::kAlreadyExists) return put;
  return store.barrier();
}

Result<void> remove_mark(backend::Backend& store, const ObjectId& pack) {
  // Where nothing goes, the pack is relied on no more, and that is all.
  if (store.capabilities().append_only) return {};
  return store.remove(object_name(ObjectKind::kDamageMark, pack));
}

Result<std::vector<ObjectId>> marked_packs(backend::Backend& store) {
  std::vector<ObjectId> packs;
  TRY(store.list(name_prefix(ObjectKind::kDamageMark),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   if (const auto pack = parse_object_name(ObjectKind::kDamageMark, info.name))
                     packs.push_back(*pack);
                   return {};
                 }));
  return packs;
}

}  // namespace backstay::repo
