// What lies where, and what is missing.
#include "backend/placement/upkeep.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

void count_copies(const Bulk& bulk, const View& view, const std::string& name, const Listed& listed,
                  const Listing& listing, PlacementStatus& status) {
  if (listing.tombstone_of(name) != nullptr) {
    status.left_over += count_of(listed.stores);
    return;
  }
  ++status.objects;
  const StoreMask wanted = kind_of(name) == Kind::kBulk ? set_of(bulk.owners_of(name)) : view.all();
  bool whole = true;
  for (unsigned i = 0; i < status.stores.size(); ++i) {
    const bool has = (listed.stores & mask_of(i)) != 0;
    const bool should = (wanted & mask_of(i)) != 0;
    if (has) ++status.stores[i].objects;
    if (has) status.stores[i].bytes += part_bytes(listed.size_bytes.value_or(0));
    if (should && !has && status.stores[i].trouble.empty()) ++status.stores[i].missing;
    if (has && !should) ++status.stores[i].misplaced;
    whole = whole && (has || !should);
  }
  if (!whole) ++status.incomplete;
}

}  // namespace

Result<PlacementStatus> placement_status(PlacementBackend& backend) {
  static_cast<void>(TRY(backend.is_current(*backend.view())));
  const std::shared_ptr<const View> view = backend.view();
  PlacementStatus status{.map = view->map()};
  double owned = 0;
  for (const unsigned load : view->ring().loads()) owned += load;
  for (unsigned i = 0; i < view->map().stores.size(); ++i) {
    StoreStatus store{.store = view->map().stores[i], .trouble = {}};
    const Result<void> there = view->store(i).is_itself();
    if (!there) store.trouble = there.error().describe();
    if (owned > 0) store.share = view->ring().loads()[i] / owned;
    status.stores.push_back(std::move(store));
  }
  Listing listing;
  // Gaps are shown as what is missing.
  static_cast<void>(list_stores(*view, "", ListWhat::kRepositoryAndMaps, listing).has_value());
  status.removed = listing.tombstones.size();
  const Bulk bulk = backend.bulk(*view);
  for (const auto& [name, listed] : listing.objects)
    count_copies(bulk, *view, name, listed, listing, status);
  return status;
}

}  // namespace backstay::backend::placement
