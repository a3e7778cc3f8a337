#include "backend/placement/placement_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "backend/placement/bulk.h"
#include "backend/placement/opening.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

constexpr std::size_t kSizesMax = 200'000;
// So many tombstones a listing takes away at most.
constexpr unsigned kSweptMax = 200;

Result<void> check_name(std::string_view name) {
  TRY(validate_name(name));
  if (!is_reserved(name)) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is a name that a placement keeps for itself", name));
}

std::unexpected<Error> absent(std::string_view name) {
  return fail(ErrorCode::kNotFound, fmt::format("there is no object {}", name));
}

std::unexpected<Error> too_large(std::string_view name, std::uint64_t size_max) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("object {} is larger than {} bytes", name, size_max));
}

std::string counted_parts(std::uint64_t count) {
  return fmt::format("{} part{}", count, count == 1 ? "" : "s");
}

// Pieces that several may ask for at the same time, in any order.
class IndexedPieces {
 public:
  explicit IndexedPieces(std::span<const ByteView> pieces) {
    for (const ByteView piece : pieces) {
      if (piece.empty()) continue;
      pieces_.push_back(piece);
      begins_.push_back(size_);
      size_ += piece.size();
    }
  }
  // This outlives it.
  [[nodiscard]] StreamedBytes stream() const {
    return {.size = size_, .piece_at = [this](std::uint64_t offset) -> Result<ByteView> {
              const auto next = std::ranges::upper_bound(begins_, offset);
              const auto i = static_cast<std::size_t>(next - begins_.begin() - 1);
              return pieces_[i].subspan(static_cast<std::size_t>(offset - begins_[i]));
            }};
  }

 private:
  std::vector<ByteView> pieces_;
  std::vector<std::uint64_t> begins_;
  std::uint64_t size_ = 0;
};

// Where any of the stores has a note that it was decided.
std::optional<Map> noted_as_decided(const View& view, std::uint64_t version) {
  for (const std::shared_ptr<Store>& store : view.stores()) {
    const auto read = [&]() -> Result<Map> {
      return read_decided(*TRY(store->reach()), view.map().id, version);
    };
    Result<Map> map = read();
    if (map) return *std::move(map);
  }
  return std::nullopt;
}

}  // namespace

std::shared_ptr<const View> PlacementBackend::view() const {
  const MutexLock lock(mutex_);
  return view_;
}

PlacementBackend::~PlacementBackend() {
  const Mending::Report report = mending_.finish();
  if (report.parts_put == 0 && report.objects_left == 0) return;
  Troubles troubles;
  const bool durable = report.parts_put == 0 || flush(*view(), troubles) == 0;
  if (!world_.note) return;
  std::string line =
      fmt::format("{}: {} that reads found missing or damaged {} put again", what_,
                  counted_parts(report.parts_put), report.parts_put == 1 ? "was" : "were");
  if (report.objects_left > 0 || !durable)
    line += "; backstay placement repair --read-data puts the rest";
  world_.note(line);
}

Result<unsigned> PlacementBackend::mend(const Noticed& noticed) {
  const std::shared_ptr<const View> now = view();
  if (now->moving()) return 0U;
  StoreMask damaged = 0;
  for (unsigned i = 0; i < now->map().stores.size(); ++i) {
    const bool is =
        std::ranges::find(noticed.damaged, now->map().stores[i].id) != noticed.damaged.end();
    damaged |= is ? mask_of(i) : 0;
  }
  return by_current_map([&](const View& current) -> Result<unsigned> {
    if (current.map().version != now->map().version) return 0U;
    return bulk(current).mend(noticed.name, damaged);
  });
}

// Stores that both maps have stay open.
void PlacementBackend::use(Map map) {
  const MutexLock lock(mutex_);
  if (view_ != nullptr && view_->map().version >= map.version) return;
  std::vector<std::shared_ptr<Store>> stores;
  for (const MapStore& wanted : map.stores) {
    std::shared_ptr<Store> store;
    if (view_ != nullptr) {
      const auto& known = view_->stores();
      const auto found = std::ranges::find_if(known, [&](const std::shared_ptr<Store>& one) {
        return one->identity() == identity_in(map, wanted) && one->name() == wanted.name;
      });
      if (found != known.end()) store = *found;
    }
    if (store == nullptr) {
      store = std::make_shared<Store>(wanted.name, identity_in(map, wanted), open_, world_.clock);
      store->show(shown_[wanted.id]);
      store->expect(seen_[wanted.id]);
    }
    stores.push_back(std::move(store));
  }
  if (view_ != nullptr) {
    for (const std::shared_ptr<Store>& store : view_->stores()) {
      if (std::ranges::find(stores, store) == stores.end()) former_.push_back(store);
    }
  }
  view_ = std::make_shared<const View>(std::move(map), std::move(stores));
}

Result<bool> PlacementBackend::is_current(const View& view) {
  const std::string next = map_name(view.map().version + 1);
  StoreMask answered = 0;
  bool found = false;
  Troubles troubles;
  Mutex mutex;
  at_once(members_of(view.all()), [&](unsigned i) {
    const auto ask = [&]() -> Result<ObjectInfo> { return TRY(view.store(i).reach())->head(next); };
    const Result<ObjectInfo> info = ask();
    const bool missing = !info && info.error().code() == ErrorCode::kNotFound;
    const Result<void> itself = missing ? view.store(i).is_itself() : Result<void>();
    if (!itself || (!info && !missing)) {
      troubles.add(view.store(i), itself ? info.error() : itself.error());
      return;
    }
    const MutexLock lock(mutex);
    answered |= mask_of(i);
    found = found || info.has_value();
  });
  if (!found && view.sees(answered)) return true;
  if (!found) return troubles.failure("too many stores are away to know which map holds");
  const Result<Settled> settled =
      Registers(view).settle(next, Registers::Depth::kWhole, kMapBytesMax);
  if (!settled) {
    // Stores of this map may have left since.
    std::optional<Map> noted = noted_as_decided(view, view.map().version + 1);
    if (!noted) return std::unexpected(settled.error().clone());
    use(*std::move(noted));
    return false;
  }
  if (!settled->there) return true;
  Map map = TRY(decode_map(settled->bytes));
  if (map.id != view.map().id || map.version != view.map().version + 1)
    return fail(ErrorCode::kCorruption, "the next map is one of another placement");
  use(std::move(map));
  return false;
}

// ---- creation and removal

bool PlacementBackend::is_sharded(std::string_view name) const {
  return kind_of(name) == Kind::kBulk && view()->map().redundancy.data > 1;
}

Result<void> PlacementBackend::create_object(
    std::string_view name, const std::function<Result<void>(const View& view)>& create) {
  Result<void> created = by_current_map(create);
  // Afterwards: a barrier that another thread asked for meanwhile did not cover it.
  if (created || created.error().code() == ErrorCode::kAlreadyExists) remember(name, Since::kPut);
  return created;
}

Result<void> PlacementBackend::create_copies(std::string_view name, const Made& made,
                                             std::uint64_t size_bytes) {
  return create_object(name, [&](const View& view) -> Result<void> {
    if (kind_of(name) == Kind::kControl) return Registers(view).create(name, made);
    return bulk(view).create(name,
                             {.value = made.value,
                              .size_bytes = size_bytes,
                              .put = [&](Backend& store, unsigned) { return made.put(store); },
                              .puts = made.puts});
  });
}

Result<void> PlacementBackend::create_shards(std::string_view name, const StreamedBytes& bytes,
                                             Made::Puts puts) {
  PartHeader header = TRY(ShardMaker::header_of(bytes, view()->map().redundancy.data));
  header.value.nonce = new_nonce(world_.rng);
  return create_object(name, [&](const View& view) {
    PartHeader now = header;
    now.geometry = view.map().redundancy;
    const ShardMaker maker(name, bytes, now);
    const auto put = [&](Backend& store, unsigned part) {
      return store.put_streamed(name, maker.part(part));
    };
    return bulk(view).create(
        name, {.value = now.value, .size_bytes = bytes.size, .put = put, .puts = puts});
  });
}

Result<void> PlacementBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  TRY(check_name(name));
  if (is_sharded(name)) {
    const IndexedPieces indexed(pieces);
    return create_shards(name, indexed.stream(), Made::Puts::kAtOnce);
  }
  const Copy copy = make_copy(name, pieces, new_nonce(world_.rng));
  std::uint64_t size = 0;
  for (const ByteView piece : pieces) size += piece.size();
  const Made made{.value = copy.value,
                  .put = [&](Backend& store) { return store.put(name, copy.pieces); }};
  return create_copies(name, made, size);
}

Result<void> PlacementBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  TRY(check_name(name));
  if (is_sharded(name)) return create_shards(name, bytes, Made::Puts::kOneAfterTheOther);
  StreamedCopy copy = TRY(StreamedCopy::make(name, bytes, new_nonce(world_.rng)));
  const Made made{.value = copy.value(),
                  .put = [&](Backend& store) { return store.put_streamed(name, copy.stream()); },
                  .puts = Made::Puts::kOneAfterTheOther};
  return create_copies(name, made, bytes.size);
}

Result<void> PlacementBackend::remove(std::string_view name) {
  TRY(check_name(name));
  forget_size(name);
  Result<void> removed = by_current_map([&](const View& view) -> Result<void> {
    if (kind_of(name) == Kind::kControl) return Registers(view).remove(name);
    return bulk(view).remove(name);
  });
  if (removed) remember(name, Since::kRemoved);
  return removed;
}

Result<void> PlacementBackend::adopt(std::string_view name) {
  TRY(check_name(name));
  TRY(adopt_object(name));
  remember(name, Since::kPut);
  return {};
}

Result<void> PlacementBackend::adopt_object(std::string_view name) {
  return by_current_map([&](const View& view) -> Result<void> {
    if (kind_of(name) == Kind::kControl) {
      const Settled settled = TRY(Registers(view).settle(name, Registers::Depth::kHeader, 0));
      if (!settled.there) return absent(name);
    } else {
      TRY(bulk(view).complete(name));
    }
    StoreMask adopted = 0;
    Troubles troubles;
    for (const unsigned i : members_of(view.all())) {
      const auto take = [&]() -> Result<void> { return TRY(view.store(i).reach())->adopt(name); };
      const Result<void> done = take();
      if (done) {
        view.store(i).touch();
        adopted |= mask_of(i);
      } else if (done.error().code() != ErrorCode::kNotFound) {
        troubles.add(view.store(i), done.error());
      }
    }
    const bool enough = kind_of(name) == Kind::kControl ? view.decides(adopted)
                                                        : count_of(adopted) >= view.map().quorum;
    if (enough) return {};
    return troubles.failure(fmt::format("{} is durable on too few stores", name));
  });
}

Result<void> PlacementBackend::adopt_names(std::string_view prefix) {
  TRY(validate_prefix(prefix));
  Result<void> result = by_current_map([&](const View& view) -> Result<void> {
    StoreMask adopted = 0;
    Troubles troubles;
    for (const unsigned i : members_of(view.all())) {
      const auto take = [&]() -> Result<void> {
        Backend& store = *TRY(view.store(i).reach());
        TRY(store.adopt_names(prefix));
        return store.adopt_names(tombstone_folder(prefix));
      };
      const Result<void> done = take();
      if (!done) {
        troubles.add(view.store(i), done.error());
        continue;
      }
      view.store(i).touch();
      adopted |= mask_of(i);
    }
    const bool bulk =
        !may_hold(prefix, Kind::kBulk) || view.covers_bulk_without(view.all() & ~adopted);
    if (bulk && view.decides(adopted)) return {};
    return troubles.failure("too many stores are away to make their names durable");
  });
  if (result) remember({}, Since::kNamesAdopted);
  return result;
}

// ---- reading

Result<Bytes> PlacementBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(check_name(name));
  if (kind_of(name) == Kind::kBulk) {
    const std::shared_ptr<const View> now = view();
    Result<Bytes> bytes = mended(*now).get(name, size_max);
    if (bytes || bytes.error().code() == ErrorCode::kInvalidArgument) return bytes;
    return by_current_map([&](const View& view) { return mended(view).get(name, size_max); });
  }
  return by_current_map([&](const View& view) -> Result<Bytes> {
    Settled settled = TRY(Registers(view).settle(name, Registers::Depth::kWhole, size_max));
    if (!settled.there) return absent(name);
    if (settled.header.object_bytes > size_max) return too_large(name, size_max);
    return std::move(settled.bytes);
  });
}

Result<void> PlacementBackend::get_range(std::string_view name, std::uint64_t offset,
                                         MutableByteView out) {
  TRY(check_name(name));
  if (kind_of(name) == Kind::kControl) {
    // They are small: all of it is read, and what counts is decided on the way.
    constexpr std::uint64_t kControlMax = 64 * 1024 * 1024;
    const Bytes bytes = TRY(get(name, kControlMax));
    if (offset > bytes.size() || out.size() > bytes.size() - offset) {
      return fail(ErrorCode::kCorruption, fmt::format("object {} ends at {}, before {} + {} bytes",
                                                      name, bytes.size(), offset, out.size()));
    }
    std::ranges::copy(ByteView(bytes).subspan(static_cast<std::size_t>(offset), out.size()),
                      out.begin());
    return {};
  }
  std::optional<std::uint64_t> size = known_size(name);
  const bool known = size.has_value();
  const std::shared_ptr<const View> now = view();
  Result<void> read = mended(*now).get_range(name, offset, out, size);
  if (!read) {
    // The size may be one of before it was stored anew, the map one of before it moved.
    forget_size(name);
    read = by_current_map([&](const View& view) {
      size.reset();
      return mended(view).get_range(name, offset, out, size);
    });
  }
  if (read && size && !known) know_size(name, *size);
  return read;
}

Result<ObjectInfo> PlacementBackend::head(std::string_view name) {
  TRY(check_name(name));
  return by_current_map([&](const View& view) -> Result<ObjectInfo> {
    if (kind_of(name) == Kind::kBulk) return bulk(view).head(name);
    const Settled settled = TRY(Registers(view).settle(name, Registers::Depth::kHeader, 0));
    if (!settled.there) return absent(name);
    ObjectInfo info{
        .name = std::string(name), .size_bytes = settled.header.object_bytes, .modified = {}};
    for (const unsigned i : members_of(settled.holders)) {
      const Result<Backend*> store = view.store(i).reach();
      if (!store) continue;
      const Result<ObjectInfo> there = (*store)->head(name);
      if (there) info.modified = std::max(info.modified, there->modified);
    }
    return info;
  });
}

Result<void> PlacementBackend::list(std::string_view prefix,
                                    const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  if (!prefix.empty() && is_reserved(prefix)) return {};
  const std::vector<ObjectInfo> found =
      TRY(by_current_map([&](const View& view) -> Result<std::vector<ObjectInfo>> {
        Listing listing;
        TRY(list_stores(view, prefix, ListWhat::kRepository, listing));
        std::vector<ObjectInfo> infos;
        find_sizes(view, listing);
        TRY(emit(view, listing, infos));
        sweep(view, prefix, listing);
        return infos;
      }));
  for (const ObjectInfo& info : found) {
    if (kind_of(info.name) == Kind::kBulk) know_size(info.name, info.size_bytes);
    TRY(each(info));
  }
  return {};
}

Result<void> PlacementBackend::emit(const View& view, const Listing& listing,
                                    std::vector<ObjectInfo>& out) {
  for (const auto& [name, listed] : listing.objects) {
    const Tombstone* const tombstone = listing.tombstone_of(name);
    if (tombstone != nullptr && kind_of(name) == Kind::kBulk) {
      if (!view.decides(tombstone->stores))
        static_cast<void>(TRY(Registers(view).entomb(name, {}, tombstone->stores)));
      continue;
    }
    ObjectInfo info{
        .name = name, .size_bytes = listed.size_bytes.value_or(0), .modified = listed.modified};
    const bool bulk_object = kind_of(name) == Kind::kBulk;
    const bool decided = tombstone == nullptr && view.decides(listed.stores);
    bool settled = bulk_object || decided;
    if (bulk_object && view.map().redundancy.data > 1) {
      // Fewer parts than are needed are left by who was killed while he stored them.
      const std::optional<std::uint64_t> size = known_size(name);
      settled = size && count_of(listed.stores) >= view.map().redundancy.data;
      info.size_bytes = size.value_or(0);
    }
    if (!settled || listed.sizes_differ) {
      if (!TRY(settle_listed(view, name, listed, info))) continue;
    }
    out.push_back(std::move(info));
  }
  return {};
}

// What is not found here is asked for again where it is needed.
void PlacementBackend::find_sizes(const View& view, const Listing& listing) {
  if (view.map().redundancy.data == 1) return;
  std::vector<const std::string*> unknown;
  for (const auto& [name, listed] : listing.objects) {
    const bool enough = count_of(listed.stores) >= view.map().redundancy.data;
    if (kind_of(name) == Kind::kBulk && enough && !listed.sizes_differ && !known_size(name))
      unknown.push_back(&name);
  }
  constexpr std::size_t kAtOnce = 8;
  std::atomic<std::size_t> next = 0;
  std::vector<unsigned> askers(std::min(kAtOnce, unknown.size()));
  at_once(askers, [&](unsigned) {
    for (std::size_t i = next++; i < unknown.size(); i = next++) {
      const Result<std::uint64_t> size = bulk(view).size_of(*unknown[i]);
      if (size) know_size(*unknown[i], *size);
    }
  });
}

// False when it is not there after all.
Result<bool> PlacementBackend::settle_listed(const View& view, const std::string& name,
                                             const Listed& listed, ObjectInfo& info) {
  if (kind_of(name) == Kind::kBulk) {
    const Result<ObjectInfo> head = bulk(view).head(name);
    if (head) info.size_bytes = head->size_bytes;
    if (head || head.error().code() == ErrorCode::kCorruption) return true;
    if (head.error().code() == ErrorCode::kNotFound) return false;
    return std::unexpected(head.error().clone());
  }
  const Result<Settled> settled = Registers(view).settle(name, Registers::Depth::kHeader, 0);
  // It is there, and who reads it is told what is wrong.
  if (!settled && settled.error().code() == ErrorCode::kCorruption) return true;
  if (!settled) return std::unexpected(settled.error().clone());
  info.size_bytes = settled->header.object_bytes;
  info.modified = listed.modified;
  return settled->there;
}

// Tombstones that hide nothing any more and that no late request can need. Failures are no matter.
void PlacementBackend::sweep(const View& view, std::string_view prefix, const Listing& listing) {
  const bool whole_folder =
      prefix.empty() || prefix.find('/') + 1 == prefix.size();  // all that they can stand for
  if (!whole_folder || listing.answered != view.all() || view.moving()) return;
  if (listing.tombstones.empty()) return;
  std::set<std::string, std::less<>> needed;
  for (const auto& [name, listed] : listing.objects) needed.insert(tombstone_name(name));
  unsigned swept = 0;
  for (const auto& [name, tombstone] : listing.tombstones) {
    if (tombstone.old != tombstone.stores || needed.contains(name)) continue;
    if (++swept > kSweptMax) return;
    for (const unsigned i : members_of(tombstone.stores)) {
      const Result<Backend*> store = view.store(i).reach();
      if (store) static_cast<void>((*store)->remove(name).has_value());
    }
  }
}

// ---- the whole

void PlacementBackend::expect_transfers() {
  for (const std::shared_ptr<Store>& store : view()->stores()) store->expect_transfers();
}

// The earliest, so that nothing seems older than it is.
Result<Timestamp> PlacementBackend::store_time() {
  const std::shared_ptr<const View> now = view();
  std::optional<Timestamp> earliest;
  Troubles troubles;
  Mutex mutex;
  at_once(members_of(now->all()), [&](unsigned i) {
    const auto ask = [&]() -> Result<Timestamp> {
      return TRY(now->store(i).reach())->store_time();
    };
    const Result<Timestamp> time = ask();
    const MutexLock lock(mutex);
    if (!time)
      troubles.add(now->store(i), time.error());
    else
      earliest = std::min(earliest.value_or(*time), *time);
  });
  if (earliest) return *earliest;
  return troubles.failure("no store says what time it is");
}

Capabilities PlacementBackend::capabilities() const {
  const std::shared_ptr<const View> now = view();
  Capabilities can{.conditional_create = true,
                   .lists_at_once = true,
                   .server_time = true,
                   .object_bytes_max = 0,
                   .object_lock = false,
                   .lock_by_store = false,
                   .append_only = false};
  for (const std::shared_ptr<Store>& store : now->stores()) {
    const Result<Backend*> backend = store->reach();
    if (!backend) continue;
    const Capabilities one = (*backend)->capabilities();
    can.conditional_create = can.conditional_create && one.conditional_create;
    can.lists_at_once = can.lists_at_once && one.lists_at_once;
    can.over_network = can.over_network || one.over_network;
    can.server_time = can.server_time && one.server_time;
    // Each transfer may ask every store for something.
    if (one.transfers_max > 0 && (can.transfers_max == 0 || one.transfers_max < can.transfers_max))
      can.transfers_max = one.transfers_max;
    // A block's hash is 1/4096 of it.
    const std::uint64_t most = one.object_bytes_max - one.object_bytes_max / 2048;
    if (most > 0 && (can.object_bytes_max == 0 || most < can.object_bytes_max))
      can.object_bytes_max = most;
  }
  return can;
}

std::optional<std::uint64_t> PlacementBackend::known_size(std::string_view name) const {
  const MutexLock lock(mutex_);
  const auto found = sizes_.find(std::string(name));
  if (found == sizes_.end()) return std::nullopt;
  return found->second;
}

void PlacementBackend::know_size(std::string_view name, std::uint64_t size_bytes) {
  const MutexLock lock(mutex_);
  if (sizes_.size() >= kSizesMax) sizes_.clear();
  sizes_[std::string(name)] = size_bytes;
}

void PlacementBackend::forget_size(std::string_view name) {
  const MutexLock lock(mutex_);
  sizes_.erase(std::string(name));
}

}  // namespace backstay::backend::placement
