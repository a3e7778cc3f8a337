// Reads objects of which some copies or parts may be damaged, missing, or slow to come.
#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/bulk.h"
#include "backend/placement/race.h"
#include "base/assert.h"
#include "base/try.h"
#include "erasure/erasure_code.h"

namespace backstay::backend::placement {
namespace {

// Blocks of each part that are read at once: 4 MiB.
constexpr std::uint64_t kWindowBlocks = 64;

// By their numbers.
using Parts = std::array<std::optional<Bytes>, kShardsMax>;

// Makes those of the first `data` parts that are not there from others.
Result<void> rebuild_data(Parts& parts, unsigned data, std::size_t length) {
  std::vector<erasure::Block> blocks;
  std::vector<erasure::Block> sums;
  std::vector<unsigned> lost;
  for (unsigned i = 0; i < kShardsMax; ++i) {
    if (i < data && !parts[i]) lost.push_back(i);
    if (i < data && parts[i]) blocks.push_back({i, parts[i]->data()});
    if (i >= data && parts[i]) sums.push_back({i - data, parts[i]->data()});
  }
  std::vector<erasure::MutableBlock> targets;
  std::vector<Bytes> made(lost.size(), Bytes(length));
  for (std::size_t i = 0; i < lost.size(); ++i) targets.push_back({lost[i], made[i].data()});
  TRY(erasure::reconstruct(length, blocks, sums, targets));
  for (std::size_t i = 0; i < lost.size(); ++i) parts[lost[i]] = std::move(made[i]);
  return {};
}

Result<PartHeader> header_in(Backend& store, std::string_view name, unsigned data) {
  Bytes bytes(kHeaderBytes);
  TRY(store.get_range(name, 0, bytes));
  PartHeader header = TRY(decode_part_header(name, bytes));
  if (header.geometry.data == data) return header;
  return fail(ErrorCode::kCorruption,
              fmt::format("{} was stored as {}", name, describe(header.geometry)));
}

}  // namespace

// What the stores said while an object was read.
struct Bulk::Tried {
  StoreMask answered = 0;
  StoreMask damaged = 0;
  StoreMask absent = 0;
  std::optional<Error> fatal;  // the caller's own fault
  bool told = false;           // troubles are told once
  Troubles troubles;

  void take_in(const View& view, unsigned store, const Error& error) {
    if (error.code() == ErrorCode::kInvalidArgument) fatal = error.clone();
    const bool missing = error.code() == ErrorCode::kNotFound;
    const bool bad = error.code() == ErrorCode::kCorruption;
    if (missing || bad) answered |= mask_of(store);
    if (missing) absent |= mask_of(store);
    if (bad) damaged |= mask_of(store);
    if (!missing && !told) troubles.add(view.store(store), error);
  }
};

// ---- which size the object has

Result<PartHeader> Bulk::find_header(std::string_view name, Tried& tried) const {
  struct First {
    const View& view;
    Tried& tried;
    std::optional<PartHeader> found;
    void take(unsigned store, Result<PartHeader> header) {
      if (!header) return tried.take_in(view, store, header.error());
      tried.answered |= mask_of(store);
      found = *header;
    }
    [[nodiscard]] std::size_t lacking(StoreMask /*pending*/) const {
      return found || tried.fatal ? 0 : 1;
    }
  };
  First first{view_, tried, {}};
  const Question<PartHeader> question{
      .ask = [named = std::string(name), data = data()](
                 Backend& store, unsigned) { return header_in(store, named, data); },
      .bytes = kHeaderBytes};
  for (int pass = 0; pass < view_.passes() && !first.found; ++pass)
    Race(readers_, view_, question, first).run(view_.ring().order_of(name));
  if (first.found) return *first.found;
  return judge_absence(name, tried);
}

Result<std::uint64_t> Bulk::size_of(std::string_view name) const {
  Tried tried;
  return TRY(find_header(name, tried)).object_bytes;
}

// ---- whole objects

// Whole parts until there are as many as are needed.
class Bulk::Whole {
 public:
  Whole(const Bulk& bulk, Tried& tried, std::uint64_t size_max)
      : bulk_(bulk), tried_(tried), size_max_(size_max) {}

  void take(unsigned store, Result<OpenedCopy> part) {
    if (!part) return tried_.take_in(bulk_.view_, store, part.error());
    tried_.answered |= mask_of(store);
    if (part->header.object_bytes > size_max_) {
      tried_.fatal = Error(ErrorCode::kInvalidArgument,
                           fmt::format("the object is larger than {} bytes", size_max_));
      return;
    }
    // Of parts of different objects under one name, which no writer makes, those that agree with
    // the first count.
    if (!header_) header_ = part->header;
    const bool agrees = header_->value.hash == part->header.value.hash &&
                        header_->object_bytes == part->header.object_bytes;
    if (!agrees) {
      tried_.damaged |= mask_of(store);
      return;
    }
    std::optional<Bytes>& place = parts_[part->header.index];
    if (place) return;
    place = std::move(part->bytes);
    ++count_;
  }
  [[nodiscard]] std::size_t lacking(StoreMask /*pending*/) const {
    if (tried_.fatal || count_ >= bulk_.data()) return 0;
    return bulk_.data() - count_;
  }
  [[nodiscard]] bool enough() const { return count_ >= bulk_.data(); }

  // corruption when the parts, each whole, do not make the object.
  Result<Bytes> object(std::string_view name) {
    if (bulk_.data() == 1) return std::move(*parts_[0]);
    const Stripes stripes{.object_bytes = header_->object_bytes, .data = bulk_.data()};
    TRY(rebuild_data(parts_, stripes.data, static_cast<std::size_t>(stripes.payload_bytes())));
    Bytes object;
    object.reserve(static_cast<std::size_t>(stripes.object_bytes));
    for (std::uint64_t stripe = 0; stripe < stripes.count(); ++stripe) {
      const std::size_t unit = stripes.unit_of(stripe);
      for (unsigned i = 0; i < stripes.data; ++i) {
        append(object,
               ByteView(*parts_[i]).subspan(static_cast<std::size_t>(stripe) * kBlockBytes, unit));
      }
    }
    object.resize(static_cast<std::size_t>(stripes.object_bytes));
    if (crypto::blake3(object) == header_->value.hash) return object;
    return fail(ErrorCode::kCorruption,
                fmt::format("the parts of {} do not match the hash of the object", name));
  }

 private:
  const Bulk& bulk_;
  Tried& tried_;
  const std::uint64_t size_max_;
  std::optional<PartHeader> header_;
  Parts parts_;
  std::size_t count_ = 0;
};

// Nothing: too few whole parts could be had.
Result<std::optional<Bytes>> Bulk::get_whole(std::string_view name, std::uint64_t size_max,
                                             Tried& tried) const {
  Whole whole(*this, tried, size_max);
  const Stripes largest{.object_bytes = size_max, .data = data()};
  const std::uint64_t part_max = part_bytes(largest.payload_bytes());
  const Question<OpenedCopy> question{
      .ask = [named = std::string(name), data = data(), part_max](Backend& store, unsigned)
          -> Result<OpenedCopy> { return open_part(named, TRY(store.get(named, part_max)), data); },
      .bytes = 16 * 1024 * 1024 / data()};
  for (int pass = 0; pass < view_.passes() && !whole.enough() && !tried.fatal; ++pass) {
    Race(readers_, view_, question, whole).run(view_.ring().order_of(name));
    tried.told = true;
  }
  if (tried.fatal) return std::unexpected(tried.fatal->clone());
  if (!whole.enough()) return std::optional<Bytes>();
  return std::optional<Bytes>(TRY(whole.object(name)));
}

Result<Bytes> Bulk::get(std::string_view name, std::uint64_t size_max) const {
  Tried tried;
  std::optional<Bytes> object = TRY(get_whole(name, size_max, tried));
  if (object) {
    TRY(judge_presence(name, tried));
    return *std::move(object);
  }
  // Where one part is damaged another may be whole.
  if (tried.damaged != 0) {
    Result<Bytes> patched = get_by_blocks(name, size_max);
    if (patched) return patched;
  }
  return judge_absence(name, tried);
}

Result<Bytes> Bulk::get_by_blocks(std::string_view name, std::uint64_t size_max) const {
  Tried tried;
  const PartHeader header = TRY(find_header(name, tried));
  if (header.object_bytes > size_max)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is too large", name));
  Bytes object(static_cast<std::size_t>(header.object_bytes));
  std::optional<std::uint64_t> size = header.object_bytes;
  TRY(get_range(name, 0, object, size));
  if (crypto::blake3(object) == header.value.hash) return object;
  return fail(ErrorCode::kCorruption, fmt::format("{} does not match its hash", name));
}

// ---- ranges

// The blocks of some stripes, part by part, until those that are wanted are there or can be made.
class Bulk::Window {
 public:
  Window(const Bulk& bulk, Tried& tried, std::vector<unsigned> order, std::uint64_t wanted)
      : bulk_(bulk), tried_(tried), order_(std::move(order)), wanted_(wanted) {
    for (const unsigned i : order_) {
      const bool slow = bulk_.readers_.is_overdue(bulk_.view_.map().stores[i].id);
      slow_ |= slow ? mask_of(i) : 0;
    }
  }

  // The stores where the wanted parts are looked for first stand first.
  [[nodiscard]] std::vector<unsigned> candidates() const {
    std::vector<unsigned> first;
    std::vector<unsigned> then;
    for (unsigned i = 0; i < order_.size(); ++i)
      (i < bulk_.data() && (wanted_ >> i & 1) != 0 ? first : then).push_back(order_[i]);
    first.insert(first.end(), then.begin(), then.end());
    return first;
  }
  void take(unsigned store, Result<PartBlocks> blocks) {
    if (!blocks) return tried_.take_in(bulk_.view_, store, blocks.error());
    tried_.answered |= mask_of(store);
    std::optional<Bytes>& place = parts_[blocks->index];
    if (!place) got_ |= std::uint64_t{1} << blocks->index;
    if (!place) place = std::move(blocks->bytes);
  }
  [[nodiscard]] bool enough() const {
    return (wanted_ & ~got_) == 0 || count_of(got_) >= bulk_.data();
  }
  // Those that are wanted where they should be, or as many as all can be made from.
  [[nodiscard]] std::size_t lacking(StoreMask pending) const {
    if (enough() || tried_.fatal) return 0;
    const std::vector<unsigned> missing = members_of(wanted_ & ~got_);
    const bool will_come = std::ranges::all_of(
        missing, [&](unsigned part) { return (pending & ~slow_ & mask_of(order_[part])) != 0; });
    return will_come ? missing.size() : bulk_.data() - count_of(got_);
  }
  // One of the wanted parts, of that length.
  Result<ByteView> part(unsigned index, std::size_t length) {
    if (!parts_[index]) TRY(rebuild_data(parts_, bulk_.data(), length));
    return ByteView(*parts_[index]);
  }

 private:
  const Bulk& bulk_;
  Tried& tried_;
  const std::vector<unsigned> order_;
  const std::uint64_t wanted_;
  std::uint64_t got_ = 0;
  StoreMask slow_ = 0;
  Parts parts_;
};

// Of one window: not more than kWindowBlocks stripes.
Result<void> Bulk::read_window(std::string_view name, const Stripes& stripes, std::uint64_t offset,
                               MutableByteView out, Tried& tried) const {
  const std::uint64_t end = offset + out.size();
  const std::uint64_t first = offset / stripes.full_bytes();
  const std::uint64_t last = (end - 1) / stripes.full_bytes();
  const StripeRange range{.first = first, .count = last - first + 1};
  const std::size_t length =
      static_cast<std::size_t>((last - first) * kBlockBytes) + stripes.unit_of(last);
  std::vector<unsigned> order = view_.ring().order_of(name);
  std::array<unsigned, kStoresMax> guesses{};
  for (unsigned i = 0; i < order.size(); ++i) guesses[order[i]] = data() > 1 && i < width() ? i : 0;
  const Question<PartBlocks> question{
      .ask = [named = std::string(name), stripes, range, guesses](
                 Backend& store,
                 unsigned i) { return read_part_blocks(store, named, stripes, range, guesses[i]); },
      .bytes = length};
  Window window(*this, tried, std::move(order), parts_between(stripes, offset, end));
  for (int pass = 0; pass < view_.passes() && !window.enough() && !tried.fatal; ++pass) {
    Race(readers_, view_, question, window).run(window.candidates());
    tried.told = true;
  }
  if (tried.fatal) return std::unexpected(tried.fatal->clone());
  if (!window.enough()) return judge_absence(name, tried);
  for (std::uint64_t stripe = first; stripe <= last; ++stripe) {
    const std::size_t unit = stripes.unit_of(stripe);
    const auto at = static_cast<std::size_t>((stripe - first) * kBlockBytes);
    for (unsigned i = 0; i < stripes.data; ++i) {
      const std::uint64_t begins = stripe * stripes.full_bytes() + std::uint64_t{i} * unit;
      const std::uint64_t from = std::max(begins, offset);
      const std::uint64_t to = std::min(begins + unit, end);
      if (from >= to) continue;
      const ByteView part = TRY(window.part(i, length));
      std::ranges::copy(part.subspan(at + static_cast<std::size_t>(from - begins),
                                     static_cast<std::size_t>(to - from)),
                        out.begin() + static_cast<std::ptrdiff_t>(from - offset));
    }
  }
  return {};
}

Result<void> Bulk::get_range(std::string_view name, std::uint64_t offset, MutableByteView out,
                             std::optional<std::uint64_t>& size_bytes) const {
  Tried tried;
  // That it is there is asked also where no bytes are.
  if (!size_bytes || out.empty()) size_bytes = TRY(find_header(name, tried)).object_bytes;
  if (offset > *size_bytes || out.size() > *size_bytes - offset) {
    return fail(ErrorCode::kCorruption, fmt::format("object {} ends at {}, before {} + {} bytes",
                                                    name, *size_bytes, offset, out.size()));
  }
  const Stripes stripes{.object_bytes = *size_bytes, .data = data()};
  const std::uint64_t window = kWindowBlocks * stripes.full_bytes();
  while (!out.empty()) {
    const auto now =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), window - offset % window));
    TRY(read_window(name, stripes, offset, out.first(now), tried));
    offset += now;
    out = out.subspan(now);
  }
  return judge_presence(name, tried);
}

// ---- what is said of it

Result<ObjectInfo> Bulk::head(std::string_view name) const {
  std::uint64_t indices = 0;
  PartsLook seen;
  Troubles troubles;
  for (int pass = 0; pass < view_.passes(); ++pass) {
    seen = look(name, troubles);
    if (seen.tombstones != 0)
      return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
    indices |= seen.indices_on(seen.whole());
    if (count_of(indices) >= data()) break;
  }
  const StoreMask whole = count_of(indices) >= data() ? seen.whole() : 0;
  for (const unsigned i : view_.ring().order_of(name)) {
    if ((whole & mask_of(i)) == 0) continue;
    const auto ask = [&]() -> Result<ObjectInfo> {
      return TRY(view_.store(i).reach())->head(name);
    };
    Result<ObjectInfo> info = ask();
    const PartHeader& header = seen.parts[i].header;
    const bool cut = info && payload_of(info->size_bytes) != header.payload_bytes;
    if (cut) seen.parts[i].whole = false;
    if (!info || cut) continue;
    // A tombstone may be on the others.
    if (!view_.sees(seen.answered)) break;
    info->size_bytes = header.object_bytes;
    return info;
  }
  const StoreMask away = view_.all() & ~seen.answered;
  if (!view_.covers_bulk_without(away) || !view_.sees(seen.answered))
    return troubles.failure(fmt::format("too many stores are away to read {}", name));
  if ((seen.there() & ~seen.whole()) == 0)
    return fail(ErrorCode::kNotFound, fmt::format("no store has {}", name));
  if (away != 0) {
    return troubles.failure(
        fmt::format("what can be had of {} is damaged, and stores are away", name));
  }
  return fail(ErrorCode::kCorruption, fmt::format("too little of {} is whole", name));
}

Result<void> Bulk::judge_presence(std::string_view name, const Tried& tried) const {
  // A store that was away while the object was removed may still have it.
  if (tried.absent != 0 && TRY(is_entombed(name)))
    return fail(ErrorCode::kNotFound, fmt::format("{} was removed", name));
  // While objects move, parts are missing that a rebalance puts.
  if (mending_ == nullptr || view_.moving()) return {};
  const StoreMask owners = set_of(owners_of(name));
  if ((tried.damaged | (tried.absent & owners)) == 0) return {};
  Noticed noticed{.name = std::string(name), .damaged = {}};
  for (const unsigned i : members_of(tried.damaged))
    noticed.damaged.push_back(view_.map().stores[i].id);
  mending_->notice(std::move(noticed));
  return {};
}

std::unexpected<Error> Bulk::judge_absence(std::string_view name, const Tried& tried) const {
  StoreMask away = view_.all() & ~tried.answered;
  for (const unsigned i : members_of(tried.answered)) {
    if (!view_.store(i).is_itself()) away |= mask_of(i);
  }
  if (!view_.covers_bulk_without(away))
    return tried.troubles.failure(fmt::format("too many stores are away to read {}", name));
  if (tried.damaged == 0) return fail(ErrorCode::kNotFound, fmt::format("no store has {}", name));
  // Who hears of damage may give the object up.
  if (away != 0) {
    return tried.troubles.failure(
        fmt::format("what can be had of {} is damaged, and stores are away", name));
  }
  return fail(ErrorCode::kCorruption,
              fmt::format("too little of {} is whole ({})", name, tried.troubles.text()));
}

}  // namespace backstay::backend::placement
