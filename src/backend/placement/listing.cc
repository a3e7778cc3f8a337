#include "backend/placement/listing.h"

#include <fmt/format.h>

#include "backend/placement/part.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

struct StoreList {
  std::vector<ObjectInfo> objects;
  std::vector<ObjectInfo> tombstones;
  Timestamp now;
};

bool is_wanted(std::string_view name, ListWhat what) {
  if (!is_reserved(name)) return true;
  return what == ListWhat::kRepositoryAndMaps && name.starts_with("placement/map-");
}

// The tombstones after the copies, as Registers::look does.
Result<StoreList> list_store(Store& store, std::string_view prefix, ListWhat what) {
  StoreList list;
  Backend& backend = *TRY(store.reach());
  TRY(backend.list(prefix, [&](const ObjectInfo& info) -> Result<void> {
    if (is_wanted(info.name, what)) list.objects.push_back(info);
    return {};
  }));
  TRY(backend.list(tombstone_folder(prefix), [&](const ObjectInfo& info) -> Result<void> {
    list.tombstones.push_back(info);
    return {};
  }));
  if (!list.tombstones.empty()) list.now = TRY(backend.store_time());
  // What is not in the list counts: a folder without its disk has nothing.
  TRY(store.is_itself());
  return list;
}

void add_object(Listing& listing, unsigned store, const ObjectInfo& info) {
  Listed& listed = listing.objects[info.name];
  const std::optional<std::uint64_t> size = payload_of(info.size_bytes);
  if (listed.stores == 0)
    listed.size_bytes = size;
  else if (listed.size_bytes != size)
    listed.sizes_differ = true;
  if (!size) listed.sizes_differ = true;
  if (listed.stores == 0 || listed.modified < info.modified) listed.modified = info.modified;
  listed.stores |= mask_of(store);
}

void add_list(Listing& listing, unsigned store, const StoreList& list) {
  for (const ObjectInfo& info : list.objects) add_object(listing, store, info);
  for (const ObjectInfo& info : list.tombstones) {
    Tombstone& tombstone = listing.tombstones[info.name];
    tombstone.stores |= mask_of(store);
    const bool of_lease = info.name.starts_with(tombstone_folder("leases/"));
    const std::int64_t stands = of_lease ? kTombstoneOfLeaseSeconds : kTombstoneSeconds;
    if (list.now.seconds - info.modified.seconds > stands) tombstone.old |= mask_of(store);
  }
}

StoreMask list_once(const View& view, std::string_view prefix, ListWhat what, Listing& listing) {
  StoreMask answered = 0;
  Mutex mutex;
  at_once(members_of(view.all()), [&](unsigned i) {
    const Result<StoreList> list = list_store(view.store(i), prefix, what);
    const MutexLock lock(mutex);
    if (!list) {
      listing.troubles.add(view.store(i), list.error());
      return;
    }
    answered |= mask_of(i);
    add_list(listing, i, *list);
  });
  return answered;
}

}  // namespace

const Tombstone* Listing::tombstone_of(std::string_view name) const {
  if (tombstones.empty()) return nullptr;
  const auto found = tombstones.find(tombstone_name(name));
  return found == tombstones.end() ? nullptr : &found->second;
}

Result<void> list_stores(const View& view, std::string_view prefix, ListWhat what,
                         Listing& listing) {
  listing.answered = list_once(view, prefix, what, listing);
  if (view.moving()) listing.answered &= list_once(view, prefix, what, listing);
  const bool bulk =
      !may_hold(prefix, Kind::kBulk) || view.covers_bulk_without(view.all() & ~listing.answered);
  if (bulk && view.sees(listing.answered)) return {};
  return listing.troubles.failure(
      fmt::format("too many stores are away to list '{}' without a gap", prefix));
}

}  // namespace backstay::backend::placement
