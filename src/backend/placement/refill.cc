// A new disk in the place of one that was lost.
#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/bulk.h"
#include "backend/placement/upkeep.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

// Says that a refill was begun here, and for which store.
constexpr std::string_view kMarkName = "placement/filling";
constexpr std::uint64_t kPartMax = std::uint64_t{1} << 40;

Result<void> unless_there(Result<void> put) {
  if (!put && put.error().code() == ErrorCode::kAlreadyExists) return {};
  return put;
}

Result<void> check_place(Backend& opened, const Identity& identity) {
  if (opened.head(kIdentityName)) {
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists, fmt::format("{} is a store already", opened.describe()))
            .with_hint("Only a store that was lost is replaced; see backstay placement status."));
  }
  const Result<Bytes> mark = opened.get(kMarkName, kMapBytesMax);
  if (mark) {
    if (TRY(decode_identity(*mark)) == identity) return {};
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("{} is being filled as another store", opened.describe()));
  }
  if (mark.error().code() != ErrorCode::kNotFound) return std::unexpected(mark.error().clone());
  TRY(opened.list("", [&](const ObjectInfo& info) -> Result<void> {
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} is not empty: it holds {}", opened.describe(), info.name))
            .with_hint("The place of a store that was lost must be empty."));
  }));
  return opened.put(kMarkName, encode_identity(identity));
}

// The part as one of the others has it, whole.
Result<Bytes> whole_part(const View& view, const std::string& name, StoreMask holders) {
  for (const unsigned i : members_of(holders)) {
    const auto read = [&]() -> Result<Bytes> {
      Bytes part = TRY(TRY(view.store(i).reach())->get(name, kPartMax));
      TRY(open_copy(name, part));
      return part;
    };
    Result<Bytes> part = read();
    if (part) return part;
  }
  return fail(ErrorCode::kCorruption, fmt::format("no store has a whole {}", name));
}

bool belongs(const View& view, unsigned store, const std::string& name) {
  if (kind_of(name) == Kind::kControl) return true;
  const std::vector<unsigned> owners = Bulk(view).owners_of(name);
  return std::ranges::find(owners, store) != owners.end();
}

Result<void> fill(const View& view, unsigned store, const Listing& listing, Backend& opened,
                  const UpkeepOptions& options, UpkeepReport& report) {
  for (const auto& [name, tombstone] : listing.tombstones) {
    for (const unsigned from : members_of(tombstone.stores)) {
      const Result<Backend*> backend = view.store(from).reach();
      const Result<Bytes> bytes =
          backend ? (*backend)->get(name, kMapBytesMax) : Result<Bytes>(Bytes());
      if (!backend || !bytes) continue;
      TRY(unless_there(opened.put(name, *bytes)));
      break;
    }
  }
  for (const auto& [name, listed] : listing.objects) {
    if (options.stopped && options.stopped())
      return fail(ErrorCode::kCancelled, "stopped; run it again to go on");
    ++report.objects;
    if (listing.tombstone_of(name) != nullptr || !belongs(view, store, name)) continue;
    // Of a value that was not decided yet, too: readers go on with it.
    if (kind_of(name) == Kind::kControl) {
      const Result<Settled> settled = Registers(view).settle(name, Registers::Depth::kHeader, 0);
      if (settled && !settled->there) continue;
    }
    const Result<Bytes> part = whole_part(view, name, listed.stores & ~mask_of(store));
    if (!part) {
      report.lost.push_back(name);
      continue;
    }
    TRY(unless_there(opened.put(name, *part)));
    ++report.copies_put;
    report.bytes_put += part->size();
  }
  return {};
}

}  // namespace

Result<UpkeepReport> refill_store(PlacementBackend& backend, const std::string& name,
                                  Backend& opened, const UpkeepOptions& options) {
  return backend.by_current_map([&](const View& view) -> Result<UpkeepReport> {
    const auto& stores = view.map().stores;
    const auto found = std::ranges::find(stores, name, &MapStore::name);
    if (found == stores.end())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("there is no store {} in the placement", name));
    const Identity identity{.placement = view.map().id, .store = found->id};
    TRY(check_place(opened, identity));
    UpkeepReport report;
    Listing listing;
    TRY(list_stores(view, "", ListWhat::kRepositoryAndMaps, listing));
    TRY(fill(view, static_cast<unsigned>(found - stores.begin()), listing, opened, options,
             report));
    // Only what is durable may count, and only when all of it is there.
    TRY(opened.barrier());
    if (!TRY(backend.is_current(view)))
      return fail(ErrorCode::kConflict, "the map changed meanwhile; run it again to go on");
    TRY(opened.put(kIdentityName, encode_identity(identity)));
    TRY(opened.barrier());
    TRY(opened.remove(kMarkName));
    report.settled = report.lost.empty();
    return report;
  });
}

}  // namespace backstay::backend::placement
