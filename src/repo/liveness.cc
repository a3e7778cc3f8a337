#include "repo/liveness.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "repo/run_merge.h"

namespace backstay::repo {

namespace {

// Chunks between two calls of forget_pages(): see StoreSession::claim().
constexpr std::uint64_t kForgetAfter = 1024;
// Missing chunks that are told apart; more are counted as often as they are met.
constexpr std::size_t kNowhereMax = 256 * 1024;
// Of mark_later(): 24 MiB.
constexpr std::size_t kTogether = 1024 * 1024;

std::uint32_t share_of(const IndexRun::Entry& entry, std::uint32_t length) {
  if (length >= entry.raw_length) return entry.sealed_length;
  return static_cast<std::uint32_t>(std::uint64_t{entry.sealed_length} * length / entry.raw_length);
}

}  // namespace

Liveness::Liveness(std::vector<std::shared_ptr<const IndexRun>> runs, PackTable& table)
    : table_(table) {
  sum_up(runs);
  for (auto& run : runs) {
    const std::uint64_t entries = run->size();
    Run kept{.run = std::move(run),
             .packs = {},
             .needed = Bits(entries),
             .walked = Bits(entries),
             .walked_lists = Bits(entries)};
    for (std::size_t i = 0; i < kept.run->pack_count(); ++i) {
      kept.packs.push_back(table.number_of(kept.run->pack_id(i)));
    }
    runs_.push_back(std::move(kept));
  }
}

// Every frame begins with a chunk: the entries of those tell of all frames, each once.
void Liveness::sum_up(const std::vector<std::shared_ptr<const IndexRun>>& runs) {
  RunMerge merge(runs);
  std::vector<std::uint32_t> numbers;
  for (const PackEntries& pack : merge.packs()) numbers.push_back(table_.number_of(pack.pack));
  while (const auto entry = merge.next()) {
    if (entry->offset_in_frame != 0) continue;
    PackUse& use = table_.packs()[numbers[entry->pack]];
    use.raw_bytes += entry->raw_length;
    use.sealed_bytes += entry->sealed_length;
  }
}

template <typename Each>
void Liveness::for_each_place(const IdPrefix& id, const Each& each) const {
  for (std::uint32_t number = 0; number < runs_.size(); ++number) {
    const Run& run = runs_[number];
    const auto first = run.run->find(id);
    if (!first) continue;
    for (std::uint64_t at = *first; at < run.run->size(); ++at) {
      const IndexRun::Entry entry = run.run->entry(at);
      if (entry.id != id) break;
      each(Place{.run = number,
                 .pack = run.packs[entry.pack],
                 .entry = at,
                 .frame_offset = entry.frame_offset,
                 .offset_in_frame = entry.offset_in_frame},
           entry);
    }
  }
}

bool Liveness::set(const Place& place, std::uint32_t length) {
  if (!runs_[place.run].needed.set(place.entry)) return false;
  PackUse& pack = table_.packs()[place.pack];
  pack.raw_needed += length;
  pack.sealed_needed += place.sealed_bytes;
  ++pack.places_needed;
  return true;
}

bool Liveness::serves_better(const Place& one, const Place& other) const {
  const PackUse& a = table_.packs()[one.pack];
  const PackUse& b = table_.packs()[other.pack];
  if (a.trusted() != b.trusted()) return a.trusted();
  return a.modified > b.modified;
}

Liveness::Marked Liveness::mark(const chunk::ChunkRef& ref) {
  return mark(prefix_of(ref.id), ref.length);
}

void Liveness::mark_later(const chunk::ChunkRef& ref) {
  later_.push_back({.id = prefix_of(ref.id), .length = ref.length});
  if (later_.size() == kTogether) mark_all_of(later_);
}

void Liveness::mark_all_of(std::vector<Later>& later) {
  std::ranges::sort(later, {}, &Later::id);
  for (const Later& one : later) {
    if (mark(one.id, one.length) == Marked::kNowhere) ++later_nowhere_;
  }
  later.clear();
}

std::uint64_t Liveness::mark_rest() {
  mark_all_of(later_);
  later_.shrink_to_fit();
  return std::exchange(later_nowhere_, 0);
}

Liveness::Marked Liveness::mark(const IdPrefix& id, std::uint32_t length) {
  if (++looked_up_ % kForgetAfter == 0) forget_pages();
  places_.clear();
  bool present = false;
  for_each_place(id, [&](Place place, const IndexRun::Entry& entry) {
    place.sealed_bytes = share_of(entry, length);
    const bool repeated =
        std::ranges::any_of(places_, [&](const Place& one) { return one.is_same(place); });
    if (!repeated) places_.push_back(place);
    present = present || table_.packs()[place.pack].present;
  });
  if (places_.empty()) {
    if (nowhere_.size() >= kNowhereMax) return Marked::kNowhere;
    return nowhere_.insert(id).second ? Marked::kNowhere : Marked::kBefore;
  }
  std::size_t best = 0;
  for (std::size_t i = 1; i < places_.size(); ++i) {
    if (serves_better(places_[i], places_[best])) best = i;
  }
  if (table_.packs()[places_[best].pack].trusted()) {
    return set(places_[best], length) ? Marked::kNow : Marked::kBefore;
  }
  bool fresh = false;
  for (const Place& place : places_) fresh = set(place, length) || fresh;
  if (!fresh) return Marked::kBefore;
  return present ? Marked::kNow : Marked::kNowhere;
}

bool Liveness::mark_page(const chunk::ChunkRef& page) {
  (void)mark(page);
  if (places_.empty()) return true;
  return runs_[places_.front().run].walked.set(places_.front().entry);
}

bool Liveness::mark_list(const chunk::ChunkRef& list) {
  (void)mark(list);
  if (places_.empty()) return true;
  return runs_[places_.front().run].walked_lists.set(places_.front().entry);
}

bool Liveness::is_needed(const IdPrefix& id, std::uint32_t pack, std::uint32_t frame_offset,
                         std::uint32_t offset_in_frame) const {
  bool needed = false;
  for_each_place(id, [&](const Place& place, const IndexRun::Entry& entry) {
    needed = needed ||
             (place.pack == pack && entry.frame_offset == frame_offset &&
              entry.offset_in_frame == offset_in_frame && runs_[place.run].needed.has(place.entry));
  });
  return needed;
}

std::optional<ChunkLocation> Liveness::place_of(const IdPrefix& id) const {
  std::optional<ChunkLocation> found;
  for_each_place(id, [&](const Place& place, const IndexRun::Entry& entry) {
    const Run& run = runs_[place.run];
    if (!found && run.needed.has(place.entry)) found = run.run->location(entry);
  });
  return found;
}

Result<void> Liveness::for_each_elsewhere(
    const std::unordered_set<std::uint32_t>& packs,
    const std::function<Result<void>(const IdPrefix&, const ChunkLocation&)>& each) const {
  for (const Run& run : runs_) {
    for (std::uint64_t at = 0; at < run.run->size(); ++at) {
      if (at > 0) run.run->pass(at - 1);
      const IndexRun::Entry entry = run.run->entry(at);
      const std::uint32_t pack = run.packs[entry.pack];
      if (!packs.contains(pack) || run.needed.has(at)) continue;
      // Where runs repeat each other, one of them has the bit.
      if (is_needed(entry.id, pack, entry.frame_offset, entry.offset_in_frame)) continue;
      const auto place = place_of(entry.id);
      const bool here = place && place->frame.pack == run.run->pack_id(entry.pack);
      if (place && !here) TRY(each(entry.id, *place));
    }
  }
  forget_pages();
  return {};
}

void Liveness::for_each_needed(const std::unordered_set<std::uint32_t>& packs,
                               const std::function<void(const ChunkLocation&)>& each) const {
  for (const Run& run : runs_) {
    for (std::uint64_t at = 0; at < run.run->size(); ++at) {
      if (at > 0) run.run->pass(at - 1);
      if (!run.needed.has(at)) continue;
      const IndexRun::Entry entry = run.run->entry(at);
      if (packs.contains(run.packs[entry.pack])) each(run.run->location(entry));
    }
  }
  forget_pages();
}

void Liveness::forget_pages() const {
  for (const Run& run : runs_) run.run->forget_pages();
}

}  // namespace backstay::repo
