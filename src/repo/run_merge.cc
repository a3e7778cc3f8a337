#include "repo/run_merge.h"

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

RunMerge::RunMerge(std::vector<std::shared_ptr<const IndexRun>> runs) {
  std::unordered_map<ObjectId, std::uint32_t> numbers;
  for (auto& run : runs) {
    Cursor cursor{.run = std::move(run), .pack_numbers = {}, .at = 0, .entry = {}};
    for (std::size_t i = 0; i < cursor.run->pack_count(); ++i) {
      const ObjectId id = cursor.run->pack_id(i);
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
  if (cursor.at == cursor.run->size()) {
    cursor.entry.reset();
    return;
  }
  cursor.entry = cursor.run->entry(cursor.at);
  cursor.entry->pack = cursor.pack_numbers[cursor.entry->pack];
}

void RunMerge::rewind() {
  last_.reset();
  for (Cursor& cursor : cursors_) {
    cursor.at = 0;
    load(cursor);
  }
}

IndexRunWriter::Head RunMerge::head(std::uint64_t generation) {
  IndexRunWriter::Head head{
      .entries = 0, .generation = generation, .supersedes = {}, .packs = packs_};
  for (const Cursor& cursor : cursors_) {
    head.supersedes.push_back(cursor.run->id());
    // What those runs superseded may still be listed somewhere: the merged run stands for it too.
    head.supersedes.insert(head.supersedes.end(), cursor.run->supersedes().begin(),
                           cursor.run->supersedes().end());
  }
  rewind();
  while (next()) ++head.entries;
  rewind();
  return head;
}

std::optional<IndexRun::Entry> RunMerge::next() {
  while (true) {
    Cursor* smallest = nullptr;
    for (Cursor& cursor : cursors_) {
      if (cursor.entry && (smallest == nullptr || entry_before(*cursor.entry, *smallest->entry))) {
        smallest = &cursor;
      }
    }
    if (smallest == nullptr) return std::nullopt;
    const IndexRun::Entry entry = *smallest->entry;
    ++smallest->at;
    load(*smallest);
    if (last_ && place(*last_) == place(entry)) continue;
    last_ = entry;
    return entry;
  }
}

}  // namespace backstay::repo
