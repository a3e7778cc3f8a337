// Parts that are missing, put where they belong or where they are safe.
#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/bulk.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

// What is put from memory at once; larger parts are read again by a store that tries again.
constexpr std::uint64_t kHeldPartMax = std::uint64_t{64} * 1024 * 1024;
constexpr std::uint64_t kPieceBytes = std::uint64_t{4} * 1024 * 1024;

Result<void> put_stream(Backend& store, std::string_view name, const StreamedBytes& part) {
  if (part.size > kHeldPartMax) return store.put_streamed(name, part);
  return store.put(name, TRY(gathered(part)));
}

// Numbers of parts below `width` that are not in the mask.
std::vector<unsigned> others_than(std::uint64_t indices, unsigned width) {
  std::vector<unsigned> others;
  for (unsigned part = 0; part < width; ++part) {
    if ((indices >> part & 1) == 0) others.push_back(part);
  }
  return others;
}

// Which missing part goes to which owner that has none. The one of the owner's own place goes
// first, so that two who do this at once do the same. Where it cannot be known what an owner has,
// nothing else is put: it may have just that.
struct Assignment {
  unsigned store = 0;
  unsigned part = 0;
};
std::vector<Assignment> assign(const std::vector<unsigned>& owners, StoreMask empty, bool unknown,
                               std::vector<unsigned> missing) {
  std::vector<Assignment> assigned;
  std::vector<unsigned> left;
  for (unsigned place = 0; place < owners.size(); ++place) {
    if ((empty & mask_of(owners[place])) == 0) continue;
    if (std::erase(missing, place) > 0)
      assigned.push_back({.store = owners[place], .part = place});
    else
      left.push_back(owners[place]);
  }
  for (std::size_t i = 0; !unknown && i < std::min(left.size(), missing.size()); ++i)
    assigned.push_back({.store = left[i], .part = missing[i]});
  return assigned;
}

}  // namespace

Result<bool> Bulk::is_damaged(unsigned store, std::string_view name) const {
  const Result<PartHeader> header = read_whole_part(*TRY(view_.store(store).reach()), name);
  if (header) return header->geometry.data != data();
  if (header.error().code() == ErrorCode::kCorruption) return true;
  return std::unexpected(header.error().clone());
}

// What is damaged goes only when nothing of it is needed.
Result<void> Bulk::drop_damaged(std::string_view name, const PartsLook& seen, StoreMask damaged,
                                StoreMask bad) const {
  std::uint64_t whole = 0;
  for (const unsigned i : members_of(seen.whole() & ~damaged)) {
    if (count_of(whole) >= data()) break;
    if (!TRY(is_damaged(i, name))) whole |= seen.indices_on(mask_of(i));
  }
  if (count_of(whole) < data())
    return fail(ErrorCode::kCorruption, fmt::format("too little of {} is whole", name));
  // Reading took its time.
  Troubles troubles;
  const PartsLook now = look(name, troubles);
  if (now.tombstones != 0 || (now.indices_on(now.whole() & ~damaged) & whole) != whole)
    return fail(ErrorCode::kConflict, fmt::format("{} changed while it was read", name));
  for (const unsigned i : members_of(bad)) {
    view_.store(i).give_up(name);
    TRY(TRY(view_.store(i).reach())->remove(name));
    view_.store(i).forget_put(name);
  }
  return {};
}

Result<unsigned> Bulk::mend(std::string_view name, StoreMask damaged) const {
  Troubles troubles;
  const PartsLook seen = look(name, troubles);
  if (seen.tombstones != 0) return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
  StoreMask bad = 0;
  for (const unsigned i : members_of(seen.there() & damaged)) {
    if (!TRY(is_damaged(i, name))) continue;
    if (TRY(view_.store(i).reach())->capabilities().append_only)
      return fail(ErrorCode::kPermissionDenied, fmt::format("{} stays as it is", name));
    bad |= mask_of(i);
  }
  if (bad != 0) TRY(drop_damaged(name, seen, damaged, bad));
  return complete(name);
}

Result<unsigned> Bulk::complete(std::string_view name) const {
  return data() > 1 ? complete_shards(name) : complete_copies(name);
}

Result<unsigned> Bulk::complete_copies(std::string_view name) const {
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
  const StoreMask wanted = set_of(owners_of(name));
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

Result<unsigned> Bulk::complete_shards(std::string_view name) const {
  Troubles troubles;
  const PartsLook seen = look(name, troubles);
  if (seen.tombstones != 0) return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
  if (count_of(seen.indices_on(seen.whole())) < data()) {
    const StoreMask away = view_.all() & ~seen.answered;
    const StoreMask damaged = seen.there() & ~seen.whole();
    if (!view_.covers_bulk_without(away) || (damaged != 0 && away != 0))
      return troubles.failure(fmt::format("too many stores are away to read {}", name));
    return fail(damaged != 0 ? ErrorCode::kCorruption : ErrorCode::kNotFound,
                fmt::format("too few parts of {} are whole", name));
  }
  const std::vector<unsigned> owners = owners_of(name);
  std::uint64_t kept = 0;
  StoreMask empty = 0;
  bool unknown = false;
  for (const unsigned i : owners) {
    const std::uint64_t index = seen.indices_on(mask_of(i));
    const bool twin = index != 0 && (kept & index) != 0;
    if (twin && TRY(remove_twin(name, seen, i))) empty |= mask_of(i);
    kept |= index;
    if (index == 0 && (seen.answered & mask_of(i)) != 0 && !seen.parts[i].there)
      empty |= mask_of(i);
    unknown = unknown || (index == 0 && (empty & mask_of(i)) == 0);
  }
  unsigned put = 0;
  std::optional<Error> failure;
  for (const Assignment& one : assign(owners, empty, unknown, others_than(kept, width()))) {
    const auto bring = [&]() -> Result<void> {
      TRY(bring_part(name, seen, one.part, *TRY(view_.store(one.store).reach())));
      view_.store(one.store).touch_put(name);
      return {};
    };
    Result<void> brought = bring();
    if (brought) ++put;
    if (!brought) failure = std::move(brought).error();
  }
  if (put == 0 && failure) return std::unexpected(*std::move(failure));
  return put;
}

// Of two parts of one number one is for nothing. It goes where the other one is whole to its end.
Result<bool> Bulk::remove_twin(std::string_view name, const PartsLook& seen, unsigned store) const {
  const unsigned index = seen.parts[store].header.index;
  for (const unsigned i : members_of(seen.whole() & ~mask_of(store))) {
    if (seen.parts[i].header.index != index) continue;
    Backend& other = *TRY(view_.store(i).reach());
    if (!read_whole_part(other, name)) continue;
    // That one may have been put a moment ago.
    TRY(other.adopt(name));
    view_.store(i).touch();
    TRY(view_.store(i).barrier());
    view_.store(store).give_up(name);
    TRY(TRY(view_.store(store).reach())->remove(name));
    view_.store(store).forget_put(name);
    return true;
  }
  return false;
}

Result<void> Bulk::bring_part(std::string_view name, const PartsLook& seen, unsigned part,
                              Backend& to) const {
  for (const unsigned from : members_of(seen.whole())) {
    if (seen.parts[from].header.index != part) continue;
    const auto pass_on = [&]() -> Result<void> {
      Backend& source = *TRY(view_.store(from).reach());
      return put_stream(to, name,
                        stream_of_part(source, std::string(name), seen.parts[from].header));
    };
    if (pass_on()) return {};
  }
  PartHeader header = seen.parts[static_cast<unsigned>(std::countr_zero(seen.whole()))].header;
  header.index = part;
  return make_part(name, header, to);
}

// From the object, which is read piece by piece from the parts that there are.
Result<void> Bulk::make_part(std::string_view name, const PartHeader& header, Backend& to) const {
  Bytes piece;
  std::optional<std::uint64_t> size = header.object_bytes;
  const StreamedBytes object{
      .size = header.object_bytes, .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
        piece.resize(static_cast<std::size_t>(std::min(kPieceBytes, header.object_bytes - offset)));
        TRY(get_range(name, offset, piece, size));
        return ByteView(piece);
      }};
  PartHeader made = header;
  made.geometry = view_.map().redundancy;
  const ShardMaker maker(name, object, made);
  return put_stream(to, name, maker.part(header.index));
}

Result<std::uint64_t> Bulk::fill_store(std::string_view name, unsigned store,
                                       Backend& opened) const {
  Troubles troubles;
  PartsLook seen = look(name, troubles);
  // What it has already is looked at below.
  seen.parts[store] = {};
  if (seen.tombstones != 0) return 0;
  if ((seen.answered | mask_of(store)) != view_.all())
    return troubles.failure("a store is filled anew when all others are there");
  if (count_of(seen.indices_on(seen.whole())) < data()) {
    const bool damaged = (seen.there() & ~seen.whole()) != 0;
    return fail(damaged ? ErrorCode::kCorruption : ErrorCode::kNotFound,
                fmt::format("too few parts of {} are whole", name));
  }
  const std::vector<unsigned> owners = owners_of(name);
  StoreMask empty = mask_of(store);
  std::uint64_t kept = 0;
  for (const unsigned i : owners) {
    kept |= seen.indices_on(mask_of(i));
    if (!seen.parts[i].there) empty |= mask_of(i);
  }
  // What a run that was cut has put, where nobody else has it by now.
  const PartsLook::Part there = TRY(look_at_part(opened, name, data()));
  if (there.whole && (kept >> there.header.index & 1) == 0) {
    TRY(opened.adopt(name));
    return 0;
  }
  if (there.there) TRY(opened.remove(name));
  const auto put = [&](unsigned part) -> Result<std::uint64_t> {
    TRY(bring_part(name, seen, part, opened));
    const unsigned from = static_cast<unsigned>(std::countr_zero(seen.whole()));
    return part_bytes(seen.parts[from].header.payload_bytes);
  };
  // What nobody has goes first: the part of an owner may lie with who stood in for it.
  const std::vector<unsigned> nowhere = others_than(seen.indices_on(seen.whole()), width());
  const auto own = static_cast<unsigned>(std::ranges::find(owners, store) - owners.begin());
  if (!nowhere.empty()) {
    const bool is = std::ranges::find(nowhere, own) != nowhere.end();
    return put(is ? own : nowhere.front());
  }
  for (const auto& [to, part] : assign(owners, empty, false, others_than(kept, width()))) {
    if (to == store) return put(part);
  }
  return 0;
}

bool Bulk::owners_have_all(std::string_view name) const {
  Troubles troubles;
  const PartsLook seen = look(name, troubles);
  const StoreMask owners = set_of(owners_of(name));
  if ((seen.whole() & owners) != owners) return false;
  return data() == 1 || count_of(seen.indices_on(owners)) == width();
}

Result<void> Bulk::secure_without(std::string_view name, StoreMask failed) const {
  if (data() > 1) return secure_shards_without(name, failed);
  Troubles troubles;
  const Registers registers(view_);
  const Look look = registers.look(name, Registers::Depth::kHeader, 0, troubles);
  if (look.tombstones != 0) return {};
  const StoreMask whole = look.there() & ~look.damaged();
  if (whole == 0 && look.answered == view_.all() && look.there() == 0) return {};  // removed since
  if (whole == 0) return troubles.failure(fmt::format("no store that answers has {}", name));
  StoreMask kept = whole & ~failed;
  const unsigned from = static_cast<unsigned>(std::countr_zero(kept != 0 ? kept : whole));
  for (const unsigned to : takers_of(name)) {
    if (count_of(kept) >= view_.map().redundancy.width()) break;
    if (((failed | whole) & mask_of(to)) != 0) continue;
    kept |= registers.spread(name, look.copies[from].header.value, mask_of(from), mask_of(to));
  }
  if (count_of(kept) >= view_.map().quorum) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("too few other stores take {}", name));
}

Result<void> Bulk::secure_shards_without(std::string_view name, StoreMask failed) const {
  Troubles troubles;
  PartsLook seen = look(name, troubles);
  if (seen.tombstones != 0) return {};
  if (seen.answered == view_.all() && seen.there() == 0) return {};  // removed since
  if (count_of(seen.indices_on(seen.whole())) < data())
    return troubles.failure(fmt::format("too few parts of {} can be had", name));
  std::uint64_t kept = seen.indices_on(seen.whole() & ~failed);
  for (const unsigned to : takers_of(name)) {
    const std::vector<unsigned> missing = others_than(kept, width());
    if (missing.empty()) break;
    if (((failed | seen.there() | ~seen.answered) & mask_of(to)) != 0) continue;
    const Result<Backend*> store = view_.store(to).reach();
    if (!store || !bring_part(name, seen, missing.front(), **store)) continue;
    view_.store(to).touch_put(name);
    kept |= std::uint64_t{1} << missing.front();
  }
  if (count_of(kept) >= view_.map().quorum) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("too few other stores take {}", name));
}

}  // namespace backstay::backend::placement
