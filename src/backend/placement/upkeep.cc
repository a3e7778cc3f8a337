#include "backend/placement/upkeep.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "backend/placement/bulk.h"
#include "backend/placement/deciding.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

// After so many objects what was put is made durable, and what it replaces may go.
constexpr std::size_t kBatch = 256;
constexpr int kPassesMax = 10;
constexpr std::size_t kTroublesMax = 20;
constexpr std::size_t kToldApartMax = 1'000'000;

// Reads all of a stored copy. False when it is damaged.
Result<bool> is_whole(Backend& store, std::string_view name) {
  constexpr std::uint64_t kPiece = 1024 * 1024;
  const ObjectInfo info = TRY(store.head(name));
  Bytes header_bytes(kHeaderBytes);
  const auto damaged = [](const Error& error) { return error.code() == ErrorCode::kCorruption; };
  const Result<void> begun = store.get_range(name, 0, header_bytes);
  if (!begun && damaged(begun.error())) return false;
  if (!begun) return std::unexpected(begun.error().clone());
  const Result<PartHeader> header = decode_header(name, header_bytes);
  if (!header || payload_of(info.size_bytes) != header->payload_bytes) return false;
  crypto::Blake3Stream hash;
  Bytes piece;
  for (std::uint64_t at = 0; at < header->payload_bytes; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min(kPiece, header->payload_bytes - at)));
    const Result<void> read = read_payload(store, name, name, header->payload_bytes, at, piece);
    if (!read && damaged(read.error())) return false;
    if (!read) return std::unexpected(read.error().clone());
    hash.update(piece);
  }
  return hash.finish() == header->value.hash;
}

// One pass over all that is there.
class Pass {
 public:
  enum class Extras : std::uint8_t { kStay, kGo };

  // `told_apart` outlives it: objects of which a pass of the same map has seen the shards.
  Pass(PlacementBackend& backend, const View& view, const UpkeepOptions& options, Extras extras,
       UpkeepReport& report, std::set<std::string>& told_apart)
      : backend_(backend),
        view_(view),
        options_(options),
        extras_(extras),
        report_(report),
        told_apart_(told_apart) {}

  Result<void> run();
  // Nothing is missing, and nothing lies where it does not belong.
  [[nodiscard]] bool clean() const { return clean_; }

 private:
  struct Extra {
    std::string name;
    StoreMask stores = 0;
  };
  Result<void> look_after(const std::string& name, const Listed& listed);
  Result<void> look_after_control(const std::string& name, const Listed& listed);
  Result<void> look_after_bulk(const std::string& name, const Listed& listed);
  bool owners_have_different_shards(const std::string& name);
  Result<bool> put_missing(const std::string& name, const Listed& listed, StoreMask missing);
  Result<void> bury(const std::string& name, const Listed& listed);
  Result<void> spread_tombstones();
  struct ReadCopies {
    StoreMask whole = 0;
    StoreMask unread = 0;       // away, or gone meanwhile: nothing can be said of them
    std::uint64_t indices = 0;  // numbers of the parts of a bulk object, where they were read
  };
  Result<bool> is_whole_part(Backend& store, const std::string& name, unsigned i,
                             ReadCopies& copies) const;
  // Reads the copies on all of these stores, or believes the listing.
  ReadCopies read_copies(const std::string& name, const Listed& listed, Reading reading);
  Result<void> replace_damaged(const std::string& name, const Settled& settled,
                               const Listed& listed, const ReadCopies& copies);
  void remove_copies(const std::string& name, StoreMask stores);
  Result<void> drop_extras();
  Result<void> put_back_under_a_later_map(std::size_t gone);
  StoreMask owners_of(const std::string& name) const;
  bool owners_keep(const std::string& name);
  // What the stores were given is durable; those of which it cannot be said are returned.
  StoreMask flush();
  void trouble(std::string what);
  [[nodiscard]] bool dry() const { return options_.doing == Doing::kDryRun; }

  PlacementBackend& backend_;
  const View& view_;
  const UpkeepOptions& options_;
  const Extras extras_;
  UpkeepReport& report_;
  std::set<std::string>& told_apart_;
  Listing listing_;
  std::vector<Extra> extra_;
  bool clean_ = true;
};

void Pass::trouble(std::string what) {
  clean_ = false;
  if (report_.troubles.size() < kTroublesMax) report_.troubles.push_back(std::move(what));
}

void Pass::remove_copies(const std::string& name, StoreMask stores) {
  report_.copies_removed += count_of(stores);
  if (dry()) return;
  for (const unsigned i : members_of(stores)) {
    const Result<Backend*> store = view_.store(i).reach();
    view_.store(i).give_up(name);
    const Result<void> gone = store ? (*store)->remove(name) : Result<void>();
    if (!store || !gone)
      trouble(fmt::format("{} stays on {}", name, view_.store(i).name()));
    else
      view_.store(i).forget_put(name);
  }
}

Pass::ReadCopies Pass::read_copies(const std::string& name, const Listed& listed, Reading reading) {
  if (reading == Reading::kListings && !listed.sizes_differ) return {.whole = listed.stores};
  ReadCopies copies;
  const bool bulk = kind_of(name) == Kind::kBulk;
  const StoreMask owners = bulk ? owners_of(name) : 0;
  // Of two parts of one number the owner's counts.
  std::vector<unsigned> order = members_of(listed.stores & owners);
  for (const unsigned i : members_of(listed.stores & ~owners)) order.push_back(i);
  for (const unsigned i : order) {
    const auto read = [&]() -> Result<bool> {
      Backend& store = *TRY(view_.store(i).reach());
      if (!bulk) return is_whole(store, name);
      return is_whole_part(store, name, i, copies);
    };
    const Result<bool> good = read();
    if (!good) copies.unread |= mask_of(i);
    if (good && *good) copies.whole |= mask_of(i);
    if (good && !*good) ++report_.copies_damaged;
  }
  if (copies.unread != 0) trouble(fmt::format("not all copies of {} could be read", name));
  return copies;
}

// A part whose number another store has, too, counts as damaged: it stands where another should.
Result<bool> Pass::is_whole_part(Backend& store, const std::string& name, unsigned i,
                                 ReadCopies& copies) const {
  const Result<PartHeader> header = read_whole_part(store, name);
  if (!header && header.error().code() == ErrorCode::kCorruption) return false;
  if (!header) return std::unexpected(header.error().clone());
  if (header->geometry.data != view_.map().redundancy.data) return false;
  const std::uint64_t index = std::uint64_t{1} << header->index;
  if (header->geometry.data > 1 && (copies.indices & index) != 0)
    return (owners_of(name) & mask_of(i)) == 0;
  copies.indices |= index;
  return true;
}

// The listing may be hours old: it may have been stored anew since.
Result<void> Pass::bury(const std::string& name, const Listed& listed) {
  clean_ = false;
  report_.copies_removed += count_of(listed.stores);
  if (dry()) return {};
  const Registers registers(view_);
  Troubles away;
  const Look look = registers.look(name, Registers::Depth::kHeader, 0, away);
  if (look.tombstones == 0 || look.there() == 0 || !look.begun->is_fresh()) return {};
  const bool control = kind_of(name) == Kind::kControl;
  if (control) {
    const Result<Settled> found = registers.settle(name, Registers::Depth::kHeader, 0);
    if (!found) trouble(found.error().describe());
    if (!found || found->there) return {};  // stored anew: the next pass looks after it
  }
  const std::set<ValueId> values = control ? values_to_bury(look) : std::set<ValueId>();
  const Result<StoreMask> entombed = registers.entomb(name, values, 0);
  if (!entombed) {
    trouble(entombed.error().describe());
    return {};
  }
  if ((listed.stores & ~registers.clear_tomb(name, look)) != 0)
    trouble(fmt::format("copies of {}, which was removed, stay", name));
  return {};
}

// The headers are looked at, whatever the listing says: two that were put at one moment look the
// same in it, and what lost must not be taken for what won by the next map.
Result<void> Pass::look_after_control(const std::string& name, const Listed& listed) {
  const StoreMask missing = listing_.answered & ~listed.stores;
  report_.copies_put += count_of(missing);
  report_.bytes_put += listed.size_bytes.value_or(0) * count_of(missing);
  if (missing != 0) clean_ = false;
  if (dry()) {
    read_copies(name, listed, options_.reading);
    return {};
  }
  const Result<Settled> found = Registers(view_).settle(name, Registers::Depth::kHeader, 0);
  if (!found) {
    // One name must not keep all others from being looked after.
    if (found.error().code() == ErrorCode::kCorruption) report_.lost.push_back(name);
    trouble(found.error().describe());
    return {};
  }
  if (!found->there) return {};
  // What is on stores that answered, and is not that value as far as its header says, is damaged.
  const bool odd = (listing_.answered & ~found->holders & ~missing) != 0;
  const ReadCopies copies = read_copies(name, listed, odd ? Reading::kAllBytes : options_.reading);
  return replace_damaged(name, *found, listed, copies);
}

Result<void> Pass::replace_damaged(const std::string& name, const Settled& settled,
                                   const Listed& listed, const ReadCopies& copies) {
  const StoreMask whole = copies.whole;
  const StoreMask unread = copies.unread;
  StoreMask good = settled.holders & (whole | ~listed.stores);
  const StoreMask damaged = listed.stores & ~whole & ~unread;
  if (damaged != 0) {
    clean_ = false;
    report_.copies_put += count_of(damaged);
    // While R others are whole nobody else's value can take the place. Reading took its time.
    Troubles troubles;
    const Registers registers(view_);
    const Look now = registers.look(name, Registers::Depth::kHeader, 0, troubles);
    good &= now.holding(settled.header.value);
    if (!view_.sees(good) || now.tombstones != 0) {
      if (good == 0 && unread == 0) report_.lost.push_back(name);
      trouble(fmt::format("too few copies of {} are whole to replace the damaged ones", name));
      return {};
    }
    remove_copies(name, damaged);
  }
  const StoreMask wanted = listing_.answered & ~good & ~unread;
  if (wanted == 0) return {};
  clean_ = false;
  const StoreMask took = Registers(view_).spread(name, settled.header.value, good, wanted);
  if (took != wanted) trouble(fmt::format("not all stores take {}", name));
  return {};
}

Result<void> Pass::look_after_bulk(const std::string& name, const Listed& listed) {
  const StoreMask owners = owners_of(name);
  const ReadCopies read = read_copies(name, listed, options_.reading);
  const StoreMask whole = read.whole;
  const unsigned data = view_.map().redundancy.data;
  if (const StoreMask damaged = listed.stores & ~whole & ~read.unread; damaged != 0) {
    clean_ = false;
    // Blocks of a damaged part may be all that is left.
    if (count_of(data > 1 ? read.indices : whole) < data) {
      if (read.unread == 0) report_.lost.push_back(name);
      return {};
    }
    // Reading took its time.
    Troubles troubles;
    const PartsLook now = backend_.bulk(view_).look(name, troubles);
    const StoreMask still = whole & now.whole();
    if (count_of(data > 1 ? now.indices_on(still) : still) < data || now.tombstones != 0) {
      trouble(fmt::format("{} changed while it was read", name));
      return {};
    }
    remove_copies(name, damaged);
  }
  const StoreMask missing = owners & ~whole & ~read.unread;
  if (missing != 0 && !TRY(put_missing(name, listed, missing))) return {};
  if (missing == 0 && !owners_have_different_shards(name)) return {};
  const StoreMask extras = whole & ~owners;
  const StoreMask unsure = read.unread | (missing & ~listing_.answered);
  if (extras == 0 || extras_ == Extras::kStay || unsure != 0) return {};
  clean_ = false;
  extra_.push_back({.name = name, .stores = extras});
  return {};
}

// A listing does not tell one shard from another, and what stood in for an owner has the same as
// the owner got when it was back: where a store leaves or is given up those two may be the owners.
bool Pass::owners_have_different_shards(const std::string& name) {
  const Bulk bulk = backend_.bulk(view_);
  const bool sharded = view_.map().redundancy.data > 1;
  if (!sharded || (!view_.moving() && !view_.map().given_up) || told_apart_.contains(name))
    return true;
  if (bulk.owners_have_all(name)) {
    if (told_apart_.size() < kToldApartMax) told_apart_.insert(name);
    return true;
  }
  ++report_.copies_put;
  if (dry()) {
    clean_ = false;
    return false;
  }
  const Result<unsigned> put = bulk.complete(name);
  const bool gone = !put && put.error().code() == ErrorCode::kNotFound;
  if (gone && listing_.answered == view_.all()) return false;
  clean_ = false;
  if (!put && !gone) trouble(put.error().describe());
  return false;
}

// Whether all that can be had of it is there now.
Result<bool> Pass::put_missing(const std::string& name, const Listed& listed, StoreMask missing) {
  const bool sharded = view_.map().redundancy.data > 1;
  // Shards that are too few are nothing: who stored them was killed, and was not told that he had.
  const bool unfinished = sharded && count_of(listed.stores) < view_.map().redundancy.data;
  if (unfinished && listing_.answered == view_.all()) return false;
  clean_ = false;
  report_.copies_put += count_of(missing);
  report_.bytes_put += listed.size_bytes.value_or(0) * count_of(missing);
  if (dry()) return false;
  if ((missing & ~listing_.answered) != 0) trouble(fmt::format("an owner of {} is away", name));
  const Result<unsigned> put = backend_.bulk(view_).complete(name);
  if (!put && put.error().code() == ErrorCode::kNotFound) return false;  // removed meanwhile
  if (!put) {
    trouble(put.error().describe());
    return false;
  }
  return *put >= count_of(missing & listing_.answered);  // else in the next pass
}

StoreMask Pass::owners_of(const std::string& name) const {
  return set_of(backend_.bulk(view_).owners_of(name));
}

StoreMask Pass::flush() {
  Troubles troubles;
  const StoreMask failed = backend_.flush(view_, troubles);
  if (failed != 0) trouble("stores fail to make durable what they were given: " + troubles.text());
  return failed;
}

// Every owner has it, also one that got it from somebody else a moment ago.
bool Pass::owners_keep(const std::string& name) {
  if (!backend_.bulk(view_).owners_have_all(name)) return false;
  return std::ranges::all_of(members_of(owners_of(name)), [&](unsigned i) {
    const auto adopt = [&]() -> Result<void> { return TRY(view_.store(i).reach())->adopt(name); };
    const bool adopted = adopt().has_value();
    if (adopted) view_.store(i).touch();
    return adopted;
  });
}

// Only where every owner has it, durable.
Result<void> Pass::drop_extras() {
  if (dry()) {
    for (const Extra& extra : extra_) remove_copies(extra.name, extra.stores);
    extra_.clear();
    return {};
  }
  const std::size_t wanted = extra_.size();
  std::erase_if(extra_, [&](const Extra& extra) {
    if (owners_keep(extra.name)) return false;
    // Two owners may have the same shard, which listings do not tell. The next pass drops it.
    static_cast<void>(backend_.bulk(view_).complete(extra.name).has_value());
    return true;
  });
  const StoreMask failed = flush();
  std::erase_if(extra_, [&](const Extra& extra) { return (owners_of(extra.name) & failed) != 0; });
  std::optional<Moment> asked;
  std::size_t gone = 0;
  for (const Extra& extra : extra_) {
    // Under a later map it may belong there again.
    if (!asked || !asked->is_fresh()) {
      asked.emplace(backend_.world().clock);
      if (!TRY(backend_.is_current(view_))) break;
    }
    remove_copies(extra.name, extra.stores);
    ++gone;
  }
  if (gone > 0) TRY(put_back_under_a_later_map(gone));
  if (gone < wanted) clean_ = false;
  extra_.clear();
  return {};
}

// Where the map changed in the same moment, what went may belong there again.
Result<void> Pass::put_back_under_a_later_map(std::size_t gone) {
  if (TRY(backend_.is_current(view_))) return {};
  clean_ = false;
  while (!TRY(backend_.is_current(*backend_.view()))) {
  }
  const std::shared_ptr<const View> now = backend_.view();
  for (std::size_t i = 0; i < gone; ++i)
    static_cast<void>(backend_.bulk(*now).complete(extra_[i].name).has_value());
  return {};
}

Result<void> Pass::look_after(const std::string& name, const Listed& listed) {
  ++report_.objects;
  if (listing_.tombstone_of(name) != nullptr) return bury(name, listed);
  return kind_of(name) == Kind::kBulk ? look_after_bulk(name, listed)
                                      : look_after_control(name, listed);
}

// Stores that joined, or were away, must know of removals, too.
Result<void> Pass::spread_tombstones() {
  for (const auto& [name, tombstone] : listing_.tombstones) {
    const StoreMask missing = listing_.answered & ~tombstone.stores;
    if (missing == 0) continue;
    if (!view_.decides(tombstone.stores)) clean_ = false;
    if (dry()) continue;
    const std::optional<NamedBurial> burial = gathered_burial(view_, name, tombstone.stores);
    if (!burial) continue;  // swept by somebody else
    for (const unsigned to : members_of(missing)) {
      const Result<Backend*> store = view_.store(to).reach();
      if (store && put_tombstone(**store, burial->name, burial->values)) view_.store(to).touch();
    }
  }
  return {};
}

Result<void> Pass::run() {
  TRY(list_stores(view_, "", ListWhat::kRepositoryAndMaps, listing_));
  if (view_.moving()) TRY(spread_tombstones());
  if (!view_.decides(listing_.answered)) trouble("too many stores are away");
  std::size_t in_batch = 0;
  for (const auto& [name, listed] : listing_.objects) {
    if (options_.stopped && options_.stopped())
      return fail(ErrorCode::kCancelled, "stopped; run it again to go on");
    TRY(look_after(name, listed));
    if (++in_batch % kBatch == 0) TRY(drop_extras());
  }
  TRY(drop_extras());
  // What is not durable everywhere is not settled.
  if (!dry()) flush();
  return {};
}

}  // namespace

Result<UpkeepReport> repair_placement(PlacementBackend& backend, const UpkeepOptions& options) {
  return backend.by_current_map([&](const View& view) -> Result<UpkeepReport> {
    UpkeepReport report;
    std::set<std::string> told_apart;
    Pass pass(backend, view, options, Pass::Extras::kStay, report, told_apart);
    TRY(pass.run());
    report.settled = pass.clean();
    return report;
  });
}

Result<MapStore> prepare_store(PlacementBackend& backend, const FileStore& store, Backend& opened) {
  const PlacementId placement = backend.view()->map().id;
  MapStore joining{.name = store.name,
                   .id = {},
                   .weight = store.weight,
                   .domain = store.domain,
                   .membership = Membership::kJoining};
  backend.world().rng.fill(joining.id.bytes);
  TRY(opened.list("", [&](const ObjectInfo& info) -> Result<void> {
    if (info.name == kIdentityName) return {};
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} is not empty: it holds {}", opened.describe(), info.name))
            .with_hint("A store that joins a placement is empty at first."));
  }));
  const Result<Bytes> marked = opened.get(kIdentityName, kMapBytesMax);
  if (marked) {
    // Of an attempt that was cut, perhaps; or in use since a moment ago.
    const Identity identity = TRY(decode_identity(*marked));
    if (identity.placement != placement)
      return fail(ErrorCode::kAlreadyExists,
                  fmt::format("{} belongs to another placement", opened.describe()));
    joining.id = identity.store;
    return joining;
  }
  if (marked.error().code() != ErrorCode::kNotFound) return std::unexpected(marked.error().clone());
  TRY(opened.put(kIdentityName, encode_identity({.placement = placement, .store = joining.id})));
  TRY(opened.barrier());
  return joining;
}

bool take_over(const MapFile& file, Map& map) {
  const Map before = map;
  for (MapStore& store : map.stores) {
    const FileStore* const wished = file.find(store.name);
    if (wished == nullptr) continue;
    if (store.weight > 0) store.weight = wished->weight;
    store.domain = wished->domain;
  }
  map.redundancy = file.redundancy;
  map.quorum = file.quorum_or_all();
  return map != before;
}

Result<UpkeepReport> rebalance_placement(PlacementBackend& backend, const UpkeepOptions& options) {
  UpkeepReport report;
  std::set<std::string> told_apart;
  std::uint64_t version = 0;
  for (int pass_number = 0; pass_number < kPassesMax; ++pass_number) {
    while (!TRY(backend.is_current(*backend.view()))) {
    }
    const std::shared_ptr<const View> view = backend.view();
    if (!view->moving()) {
      // Who settled it may have been cut.
      if (options.doing == Doing::kDoIt) TRY(tell_decided(backend, *view));
      report.settled = true;
      return report;
    }
    report.troubles.clear();
    if (version != view->map().version) told_apart.clear();
    version = view->map().version;
    Pass pass(backend, *view, options, Pass::Extras::kGo, report, told_apart);
    TRY(pass.run());
    if (options.doing == Doing::kDryRun) return report;
    if (pass.clean()) {
      TRY(settle_map(backend, *view));
      report.settled = true;
      return report;
    }
    if (!report.troubles.empty() && pass_number > 0) return report;
  }
  return report;
}

}  // namespace backstay::backend::placement
