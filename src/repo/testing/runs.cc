#include "repo/testing/runs.h"

#include <algorithm>

namespace backstay::repo {

Bytes RunMaker::object(const std::vector<IndexRun::Entry>& entries, std::vector<PackEntries> packs,
                       std::vector<ObjectId> supersedes) {
  const IndexRunWriter::Head head{.entries = entries.size(),
                                  .generation = 3,
                                  .supersedes = std::move(supersedes),
                                  .packs = std::move(packs)};
  auto writer = IndexRunWriter::create(keyring, config, rng, head);
  EXPECT_EQ(problem(writer), "");
  for (const IndexRun::Entry& entry : entries) EXPECT_EQ(problem((*writer)->add(entry)), "");
  auto finished = (*writer)->finish();
  EXPECT_EQ(problem(finished), "");
  return finished->object.all().value();
}

Bytes RunMaker::object(const std::vector<PackEntries>& packs, std::vector<ObjectId> supersedes) {
  std::vector<IndexRun::Entry> entries = entries_of(packs);
  std::ranges::sort(entries, entry_before);
  return object(entries, packs, std::move(supersedes));
}

std::shared_ptr<const IndexRun> RunMaker::open(const Bytes& object) const {
  auto run = open_index_run(object, keyring, config.id);
  EXPECT_EQ(problem(run), "");
  return run ? std::move(*run) : nullptr;
}

ObjectId numbered_pack(std::uint64_t number) {
  ObjectId id;
  SeededRng(number ^ 0x70616b63).fill(id.bytes);
  return id;
}

PackEntries some_pack(std::uint64_t number, std::size_t count, std::uint64_t seed) {
  PackEntries pack{.pack = numbered_pack(number),
                   .kind = number % 2 == 0 ? PackKind::kData : PackKind::kMeta,
                   .size_bytes = kHeaderSize + count * 116,
                   .chunks = {}};
  for (std::size_t i = 0; i < count; ++i) {
    pack.chunks.push_back({.id = some_prefix(seed + i),
                           .frame_offset = static_cast<std::uint32_t>(kHeaderSize + i * 116),
                           .sealed_length = 116,
                           .raw_length = 100,
                           .codec = compress::Codec::kStored,
                           .offset_in_frame = 0});
  }
  return pack;
}

IdPrefix some_prefix(std::uint64_t seed) {
  IdPrefix prefix;
  SeededRng(seed * 0x100000001b3U).fill(prefix);
  return prefix;
}

chunk::ChunkId id_with(const IdPrefix& prefix) {
  chunk::ChunkId id;
  std::ranges::copy(prefix, id.bytes.begin());
  return id;
}

}  // namespace backstay::repo
