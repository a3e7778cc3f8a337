#include "backend/placement/bulk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend::placement {

StoreMask PartsLook::there() const {
  return mask_where(parts, [](const auto& part) { return part.there; });
}

StoreMask PartsLook::whole() const {
  return mask_where(parts, [](const auto& part) { return part.whole; });
}

std::uint64_t PartsLook::indices_on(StoreMask stores) const {
  std::uint64_t indices = 0;
  for (const unsigned i : members_of(stores))
    indices |= parts[i].whole ? std::uint64_t{1} << parts[i].header.index : 0;
  return indices;
}

Result<PartsLook::Part> look_at_part(Backend& store, std::string_view name, unsigned data) {
  PartsLook::Part part;
  Bytes bytes(kHeaderBytes);
  const Result<void> read = store.get_range(name, 0, bytes);
  if (!read && read.error().code() == ErrorCode::kNotFound) return part;
  if (!read && read.error().code() != ErrorCode::kCorruption)
    return std::unexpected(read.error().clone());
  part.there = true;
  if (!read) return part;
  const Result<PartHeader> header = decode_part_header(name, bytes);
  part.whole = header && header->geometry.data == data;
  if (part.whole) part.header = *header;
  return part;
}

std::vector<unsigned> Bulk::takers_of(std::string_view name) const {
  std::vector<unsigned> takers = view_.ring().order_of(name);
  std::erase_if(takers, [&](unsigned i) {
    const MapStore& store = view_.map().stores[i];
    return store.weight == 0 || store.membership == Membership::kLeaving;
  });
  return takers;
}

std::vector<unsigned> Bulk::owners_of(std::string_view name) const {
  std::vector<unsigned> owners = takers_of(name);
  if (owners.size() > view_.map().redundancy.width()) owners.resize(view_.map().redundancy.width());
  return owners;
}

Result<bool> Bulk::is_entombed(std::string_view name) const {
  const std::string tombstone = tombstone_name(name);
  StoreMask answered = 0;
  bool found = false;
  Troubles troubles;
  Mutex mutex;
  at_once(members_of(view_.all()), [&](unsigned i) {
    const auto ask = [&]() -> Result<ObjectInfo> {
      return TRY(view_.store(i).reach())->head(tombstone);
    };
    const Result<ObjectInfo> info = ask();
    const bool absent = !info && info.error().code() == ErrorCode::kNotFound;
    if (!info && !absent) {
      troubles.add(view_.store(i), info.error());
      return;
    }
    const MutexLock lock(mutex);
    answered |= mask_of(i);
    found = found || info.has_value();
  });
  if (found) return true;
  if (view_.sees(answered)) return false;
  return troubles.failure(fmt::format("too many stores are away to say anything of {}", name));
}

// The part is read before the tombstone: a tombstone is put before parts go, and goes only when
// there are none, so what is seen of both at once was so at one moment.
PartsLook Bulk::look(std::string_view name, Troubles& troubles) const {
  PartsLook look;
  look.parts.resize(view_.stores().size());
  const std::string tombstone = tombstone_name(name);
  Mutex mutex;
  at_once(members_of(view_.all()), [&](unsigned i) {
    const auto ask = [&]() -> Result<bool> {
      Backend& store = *TRY(view_.store(i).reach());
      look.parts[i] = TRY(look_at_part(store, name, data()));
      if (!look.parts[i].there) TRY(view_.store(i).is_itself());
      const Result<ObjectInfo> entombed = store.head(tombstone);
      if (!entombed && entombed.error().code() != ErrorCode::kNotFound)
        return std::unexpected(entombed.error().clone());
      return entombed.has_value();
    };
    const Result<bool> entombed = ask();
    if (!entombed) {
      look.parts[i] = {};
      troubles.add(view_.store(i), entombed.error());
      return;
    }
    const MutexLock lock(mutex);
    look.answered |= mask_of(i);
    if (*entombed) look.tombstones |= mask_of(i);
  });
  return look;
}

// ---- creation

Result<std::optional<unsigned>> Bulk::had_already(unsigned store, std::string_view name,
                                                  const NewObject& object) const {
  Backend& backend = *TRY(view_.store(store).reach());
  const ObjectInfo info = TRY(backend.head(name));
  const PartsLook::Part part = TRY(look_at_part(backend, name, data()));
  const bool same = part.whole && part.header.value.hash == object.value.hash &&
                    info.size_bytes == part_bytes(part.header.payload_bytes);
  if (!same) return std::optional<unsigned>();
  return std::optional<unsigned>(part.header.index);
}

// What became of the parts of a new object. Copies are counted by their store, shards by number.
struct Bulk::Puts {
  Mutex mutex;
  StoreMask put GUARDED_BY(mutex) = 0;         // stores that took a part
  std::uint64_t had GUARDED_BY(mutex) = 0;     // parts that were there
  std::uint64_t stored GUARDED_BY(mutex) = 0;  // parts that are there now
  bool other GUARDED_BY(mutex) = false;        // something else has the name
  Troubles troubles;

  // The first part below `width` that is not stored.
  [[nodiscard]] std::optional<unsigned> lacking(unsigned width) {
    const MutexLock lock(mutex);
    for (unsigned part = 0; part < width; ++part) {
      if ((stored >> part & 1) == 0) return part;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool taken_by_other() {
    const MutexLock lock(mutex);
    return other && stored == 0;
  }

  [[nodiscard]] Result<void> judge(std::string_view name, unsigned quorum) {
    const MutexLock lock(mutex);
    if (put == 0 && (count_of(had) >= quorum || (other && had == 0)))
      return fail(ErrorCode::kAlreadyExists, fmt::format("object {} is there already", name));
    if (count_of(stored) >= quorum) return {};
    if (other) {
      return fail(ErrorCode::kAlreadyExists,
                  fmt::format("other bytes are stored as {}, or damaged ones", name));
    }
    return troubles.failure(
        fmt::format("{} of {} parts of {} could be stored", count_of(stored), quorum, name));
  }
};

void Bulk::put_part(std::string_view name, const NewObject& object, unsigned store, unsigned part,
                    Puts& puts) const {
  const auto attempt = [&]() -> Result<bool> {
    const Result<void> done = object.put(*TRY(view_.store(store).reach()), part);
    if (done) return true;
    if (done.error().code() != ErrorCode::kAlreadyExists)
      return std::unexpected(done.error().clone());
    return false;
  };
  const Result<bool> fresh = attempt();
  if (!fresh) {
    puts.troubles.add(view_.store(store), fresh.error());
    return;
  }
  std::optional<unsigned> number;
  if (*fresh) {
    number = part;
  } else {
    const Result<std::optional<unsigned>> had = had_already(store, name, object);
    if (had) number = *had;
    // All copies are one part; which of them a store has is the same to all.
    if (number && data() == 1) number = part;
  }
  const MutexLock lock(puts.mutex);
  if (!number) {
    puts.other = true;
    return;
  }
  view_.store(store).touch_put(name);
  puts.stored |= std::uint64_t{1} << *number;
  if (*fresh)
    puts.put |= mask_of(store);
  else
    puts.had |= std::uint64_t{1} << *number;
}

Result<void> Bulk::create(std::string_view name, const NewObject& object) const {
  if (TRY(is_entombed(name))) TRY(Registers(view_).open_tomb(name));
  Puts puts;
  const std::vector<unsigned> takers = takers_of(name);
  const std::size_t owners = std::min<std::size_t>(width(), takers.size());
  std::vector<unsigned> places(owners);
  for (unsigned i = 0; i < owners; ++i) places[i] = i;
  const auto put_at = [&](unsigned i) { put_part(name, object, takers[i], i, puts); };
  if (object.puts == Made::Puts::kAtOnce)
    at_once(places, put_at);
  else
    std::ranges::for_each(places, put_at);
  // Where something else has the name nobody stands in for it.
  const bool taken = puts.taken_by_other();
  for (std::size_t i = owners; i < takers.size() && !taken; ++i) {
    const std::optional<unsigned> part = puts.lacking(width());
    if (!part) break;
    put_part(name, object, takers[i], *part, puts);
  }
  return puts.judge(name, view_.map().quorum);
}

// ---- removal

Result<void> Bulk::remove(std::string_view name) const {
  StoreMask gone = 0;
  Troubles troubles;
  Mutex mutex;
  at_once(members_of(view_.all()), [&](unsigned i) {
    const auto take = [&]() -> Result<void> {
      view_.store(i).give_up(name);
      TRY(TRY(view_.store(i).reach())->remove(name));
      return view_.store(i).is_itself();
    };
    const Result<void> done = take();
    if (!done) {
      troubles.add(view_.store(i), done.error());
      return;
    }
    view_.store(i).forget_put(name);
    const MutexLock lock(mutex);
    gone |= mask_of(i);
  });
  // An index run that a store brought back would name packs that are gone.
  if (gone == view_.all() && !name.starts_with("index/")) return {};
  if (troubles.any(ErrorCode::kPermissionDenied))
    return troubles.failure(fmt::format("{} is not removed", name));
  static_cast<void>(TRY(Registers(view_).entomb(name, {}, 0)));
  return {};
}

}  // namespace backstay::backend::placement
