#include "backend/placement/bulk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend::placement {

struct Bulk::Tried {
  StoreMask answered = 0;
  bool damaged = false;
  bool absent = false;  // some store said so
  int passes = 0;       // that are over
  Troubles troubles;

  // False when the store says that the object is not there.
  bool take_in(unsigned store, const Error& error) {
    const bool missing = error.code() == ErrorCode::kNotFound;
    const bool bad = error.code() == ErrorCode::kCorruption;
    if (missing || bad) answered |= mask_of(store);
    damaged = damaged || bad;
    absent = absent || missing;
    return !missing;
  }
};

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

// Whether the store has the same bytes already, of an earlier attempt or of somebody else.
Result<bool> Bulk::had_already(unsigned store, std::string_view name, const Made& made,
                               std::uint64_t size_bytes) const {
  Backend& backend = *TRY(view_.store(store).reach());
  const ObjectInfo info = TRY(backend.head(name));
  Bytes bytes(kHeaderBytes);
  const Result<void> read = backend.get_range(name, 0, bytes);
  if (!read && read.error().code() == ErrorCode::kCorruption) return false;
  TRY(Result<void>(read ? Result<void>() : std::unexpected(read.error().clone())));
  const Result<PartHeader> header = decode_header(name, bytes);
  return header && header->value.hash == made.value.hash &&
         info.size_bytes == part_bytes(size_bytes);
}

// What became of the copies of a new object.
struct Bulk::Puts {
  StoreMask put = 0;
  StoreMask had = 0;
  bool other = false;  // something else has the name
  Troubles troubles;

  [[nodiscard]] Result<void> judge(std::string_view name, unsigned quorum) const {
    if (put == 0 && (count_of(had) >= quorum || (other && had == 0)))
      return fail(ErrorCode::kAlreadyExists, fmt::format("object {} is there already", name));
    if (count_of(put | had) >= quorum) return {};
    if (other) {
      return fail(ErrorCode::kAlreadyExists,
                  fmt::format("other bytes are stored as {}, or damaged ones", name));
    }
    return troubles.failure(
        fmt::format("{} of {} copies of {} could be stored", count_of(put | had), quorum, name));
  }
};

Result<void> Bulk::create(std::string_view name, const Made& made, std::uint64_t size_bytes) const {
  if (TRY(is_entombed(name))) TRY(Registers(view_).open_tomb(name));
  Puts puts;
  Mutex mutex;
  const auto put_at = [&](unsigned i) {
    const auto attempt = [&]() -> Result<bool> {
      const Result<void> done = made.put(*TRY(view_.store(i).reach()));
      if (done) return true;
      if (done.error().code() != ErrorCode::kAlreadyExists)
        return std::unexpected(done.error().clone());
      return false;
    };
    Result<bool> fresh = attempt();
    Result<bool> same = false;
    if (fresh && !*fresh) same = had_already(i, name, made, size_bytes);
    const MutexLock lock(mutex);
    if (fresh && *fresh) {
      view_.store(i).touch_put(name);
      puts.put |= mask_of(i);
    } else if (!fresh) {
      puts.troubles.add(view_.store(i), fresh.error());
    } else if (same && *same) {
      view_.store(i).touch_put(name);
      puts.had |= mask_of(i);
    } else {
      puts.other = true;
    }
  };
  const std::vector<unsigned> takers = takers_of(name);
  const std::size_t width = std::min<std::size_t>(view_.map().redundancy.width(), takers.size());
  const std::vector<unsigned> owners(takers.begin(),
                                     takers.begin() + static_cast<std::ptrdiff_t>(width));
  if (made.puts == Made::Puts::kAtOnce)
    at_once(owners, put_at);
  else
    std::ranges::for_each(owners, put_at);
  for (std::size_t i = width; i < takers.size() && count_of(puts.put | puts.had) < width; ++i)
    put_at(takers[i]);
  return puts.judge(name, view_.map().quorum);
}

// ---- reading

// Nothing: no store gave it in this pass.
template <typename T, typename Read>
Result<std::optional<T>> Bulk::read_pass(std::string_view name, const Read& read,
                                         Tried& tried) const {
  for (const unsigned i : view_.ring().order_of(name)) {
    const Result<Backend*> store = view_.store(i).reach();
    if (!store) {
      if (tried.passes == 0) tried.troubles.add(view_.store(i), store.error());
      continue;
    }
    Result<T> result = read(**store);
    if (result) {
      // A store that was away while the object was removed may still have it.
      if (tried.absent && TRY(is_entombed(name)))
        return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
      return std::optional<T>(*std::move(result));
    }
    if (result.error().code() == ErrorCode::kInvalidArgument)
      return std::unexpected(std::move(result).error());
    if (tried.take_in(i, result.error()) && tried.passes == 0)
      tried.troubles.add(view_.store(i), result.error());
  }
  ++tried.passes;
  return std::nullopt;
}

template <typename T, typename Read>
Result<T> Bulk::read_anywhere(std::string_view name, const Read& read) const {
  Tried tried;
  // What moves is at its new place before it leaves the old one: it is there in the second pass.
  const int passes = view_.moving() ? 2 : 1;
  while (tried.passes < passes) {
    std::optional<T> found = TRY(read_pass<T>(name, read, tried));
    if (found) return *std::move(found);
  }
  TRY(judge_absence(name, tried));
  return fail(ErrorCode::kNotFound, fmt::format("no store has {}", name));
}

Result<void> Bulk::judge_absence(std::string_view name, const Tried& tried) const {
  StoreMask away = view_.all() & ~tried.answered;
  for (const unsigned i : members_of(tried.answered)) {
    if (!view_.store(i).is_itself()) away |= mask_of(i);
  }
  if (!view_.covers_bulk_without(away))
    return tried.troubles.failure(fmt::format("too many stores are away to read {}", name));
  if (!tried.damaged) return {};
  // Who hears of damage may give the object up.
  if (away != 0) {
    return tried.troubles.failure(
        fmt::format("the copies of {} that can be had are damaged, and stores are away", name));
  }
  return fail(ErrorCode::kCorruption,
              fmt::format("all copies of {} are damaged ({})", name, tried.troubles.text()));
}

Result<Bytes> Bulk::get(std::string_view name, std::uint64_t size_max) const {
  return read_anywhere<Bytes>(name, [&](Backend& store) -> Result<Bytes> {
    return TRY(open_copy(name, TRY(store.get(name, part_bytes(size_max))))).bytes;
  });
}

Result<void> Bulk::get_range(std::string_view name, std::uint64_t offset, MutableByteView out,
                             std::optional<std::uint64_t>& size_bytes) const {
  const auto read = [&](Backend& store) -> Result<bool> {
    std::optional<std::uint64_t> size = size_bytes;
    if (!size) {
      size = payload_of(TRY(store.head(name)).size_bytes);
      if (!size) return fail(ErrorCode::kCorruption, fmt::format("{} is cut off", name));
    }
    TRY(read_payload(store, name, name, *size, offset, out));
    // Nothing was asked of the store then.
    if (out.empty()) TRY(store.head(name));
    size_bytes = size;
    return true;
  };
  const Result<bool> done = read_anywhere<bool>(name, read);
  if (!done) return std::unexpected(done.error().clone());
  return {};
}

Result<ObjectInfo> Bulk::head(std::string_view name) const {
  ObjectInfo info = TRY(read_anywhere<ObjectInfo>(name, [&](Backend& store) -> Result<ObjectInfo> {
    Bytes bytes(kHeaderBytes);
    TRY(store.get_range(name, 0, bytes));
    const PartHeader header = TRY(decode_header(name, bytes));
    ObjectInfo found = TRY(store.head(name));
    if (payload_of(found.size_bytes) != header.payload_bytes)
      return fail(ErrorCode::kCorruption, fmt::format("{} is cut off", name));
    found.size_bytes = header.object_bytes;
    return found;
  }));
  if (TRY(is_entombed(name)))
    return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
  return info;
}

// ---- removal and repair

Result<void> Bulk::remove(std::string_view name) const {
  StoreMask gone = 0;
  Troubles troubles;
  Mutex mutex;
  at_once(members_of(view_.all()), [&](unsigned i) {
    const auto take = [&]() -> Result<void> {
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

Result<unsigned> Bulk::complete(std::string_view name) const {
  Troubles troubles;
  const Look look = Registers(view_).look(name, Registers::Depth::kHeader, 0, troubles);
  if (look.tombstones != 0) return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
  const StoreMask whole = look.there() & ~look.damaged();
  if (whole == 0) {
    const StoreMask away = view_.all() & ~look.answered;
    if (!view_.covers_bulk_without(away) || (look.there() != 0 && away != 0))
      return troubles.failure(fmt::format("too many stores are away to read {}", name));
    return fail(look.there() != 0 ? ErrorCode::kCorruption : ErrorCode::kNotFound,
                fmt::format("no store has a whole {}", name));
  }
  StoreMask wanted = 0;
  for (const unsigned i : owners_of(name)) wanted |= mask_of(i);
  const StoreMask missing = wanted & look.answered & ~look.there();
  if (missing == 0) return 0U;
  // Of a bulk object any whole copy serves, whoever made it.
  for (const unsigned from : members_of(whole)) {
    const StoreMask took =
        Registers(view_).spread(name, look.copies[from].header.value, mask_of(from), missing);
    if (took != 0) return count_of(took);
  }
  return troubles.failure(fmt::format("no store takes another copy of {}", name));
}

}  // namespace backstay::backend::placement
