#include "repo/run_merge.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace backstay::repo {

static auto place(const IndexRun::Entry& entry) {
  return std::tie(entry.id, entry.pack, entry.frame_offset, entry.offset_in_frame);
}

bool entry_before(const IndexRun::Entry& a, const IndexRun::Entry& b) {
  return place(a) < place(b);
}

std::vector<IndexRun::Entry> entries_of(const std::vector<PackEntries>& packs) {
  std::vector<IndexRun::Entry> entries;
  std::size_t count = 0;
  for (const PackEntries& pack : packs) count += pack.chunks.size();
  entries.reserve(count);
  for (std::uint32_t number = 0; number < packs.size(); ++number) {
    for (const PackEntries::Chunk& chunk : packs[number].chunks) {
      entries.push_back({.id = chunk.id,
                         .pack = number,
                         .frame_offset = chunk.frame_offset,
                         .sealed_length = chunk.sealed_length,
                         .raw_length = chunk.raw_length,
                         .codec = chunk.codec,
                         .offset_in_frame = chunk.offset_in_frame});
    }
  }
  return entries;
}

RunMerge::RunMerge(std::vector<std::shared_ptr<const IndexRun>> runs,
                   const std::unordered_set<ObjectId>& dropped) {
  std::unordered_map<ObjectId, std::uint32_t> numbers;
  for (auto& run : runs) {
    Cursor cursor{.run = std::move(run), .pack_numbers = {}, .at = 0, .entry = {}};
    for (std::size_t i = 0; i < cursor.run->pack_count(); ++i) {
      const ObjectId id = cursor.run->pack_id(i);
      if (dropped.contains(id)) {
        cursor.pack_numbers.push_back(kDropped);
        continue;
      }
      const auto [it, fresh] = numbers.emplace(id, static_cast<std::uint32_t>(packs_.size()));
      if (fresh) {
        packs_.push_back({.pack = id,
                          .kind = cursor.run->pack_kind(i),
                          .size_bytes = cursor.run->pack_size(i),
                          .chunks = {}});
      }
      cursor.pack_numbers.push_back(it->second);
    }
    cursors_.push_back(std::move(cursor));
  }
  rewind();
}

void RunMerge::load(Cursor& cursor) {
  for (; cursor.at < cursor.run->size(); ++cursor.at) {
    if (cursor.at > 0) cursor.run->pass(cursor.at - 1);
    cursor.entry = cursor.run->entry(cursor.at);
    cursor.entry->pack = cursor.pack_numbers[cursor.entry->pack];
    if (cursor.entry->pack != kDropped) return;
  }
  if (cursor.at > 0) cursor.run->pass(cursor.at - 1);
  cursor.entry.reset();
}

void RunMerge::rewind() {
  group_.clear();
  group_at_ = 0;
  for (Cursor& cursor : cursors_) {
    cursor.at = 0;
    load(cursor);
  }
}

IndexRunWriter::Head RunMerge::head(std::uint64_t generation,
                                    const std::unordered_set<ObjectId>& lingering) {
  IndexRunWriter::Head head{
      .entries = 0, .generation = generation, .supersedes = {}, .packs = packs_};
  std::unordered_set<ObjectId> superseded;
  for (const Cursor& cursor : cursors_) {
    superseded.insert(cursor.run->id());
    for (const ObjectId& id : cursor.run->supersedes()) {
      if (lingering.contains(id)) superseded.insert(id);
    }
  }
  head.supersedes.assign(superseded.begin(), superseded.end());
  std::ranges::sort(head.supersedes);
  rewind();
  while (next()) ++head.entries;
  rewind();
  return head;
}

// All places of the next chunk. Within a run they are in the order of that run's pack numbers,
// which need not be the order of the merged ones.
void RunMerge::load_group() {
  group_.clear();
  group_at_ = 0;
  const IdPrefix* smallest = nullptr;
  for (const Cursor& cursor : cursors_) {
    if (cursor.entry && (smallest == nullptr || cursor.entry->id < *smallest)) {
      smallest = &cursor.entry->id;
    }
  }
  if (smallest == nullptr) return;
  const IdPrefix id = *smallest;
  for (Cursor& cursor : cursors_) {
    while (cursor.entry && cursor.entry->id == id) {
      group_.push_back(*cursor.entry);
      ++cursor.at;
      load(cursor);
    }
  }
  std::ranges::sort(group_, entry_before);
  const auto repeated = std::ranges::unique(
      group_, [](const auto& a, const auto& b) { return place(a) == place(b); });
  group_.erase(repeated.begin(), repeated.end());
}

std::optional<IndexRun::Entry> RunMerge::next() {
  if (group_at_ == group_.size()) load_group();
  if (group_.empty()) return std::nullopt;
  return group_[group_at_++];
}

}  // namespace backstay::repo
