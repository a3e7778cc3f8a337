#include "repo/index_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "io/testing/temporary_folder.h"
#include "repo/testing/runs.h"

namespace backstay::repo {
namespace {

constexpr std::size_t kHeadSize = 64;
constexpr std::size_t kPackRow = 48;

IndexRun::Entry entry_with(const IdPrefix& id, std::uint32_t number = 0) {
  return {.id = id,
          .pack = 0,
          .frame_offset = static_cast<std::uint32_t>(kHeaderSize) + number * 200,
          .sealed_length = 200,
          .raw_length = 300 + number,
          .codec = compress::Codec::kZstd,
          .offset_in_frame = number % 300};
}

std::vector<PackEntries> one_large_pack() {
  return {{.pack = numbered_pack(1),
           .kind = PackKind::kData,
           .size_bytes = (1ULL << 32) - 1,
           .chunks = {}}};
}

// A run of exactly these ids, in their order.
std::shared_ptr<const IndexRun> run_of(const std::set<IdPrefix>& ids) {
  RunMaker maker;
  std::vector<IndexRun::Entry> entries;
  std::uint32_t number = 0;
  for (const IdPrefix& id : ids) entries.push_back(entry_with(id, number++));
  return maker.open(maker.object(entries, one_large_pack()));
}

IdPrefix next_after(IdPrefix id) {
  for (std::size_t at = id.size(); at-- > 0;) {
    if (++id[at] != 0) break;
  }
  return id;
}

// Every id is found at its place, and neither its neighbours nor strangers are.
void expect_finds_exactly(const std::set<IdPrefix>& ids) {
  const auto run = run_of(ids);
  ASSERT_NE(run, nullptr);
  ASSERT_EQ(run->size(), ids.size());
  std::uint64_t number = 0;
  for (const IdPrefix& id : ids) {
    const auto found = run->find(id);
    ASSERT_TRUE(found.has_value()) << number;
    ASSERT_EQ(*found, number);
    const IdPrefix neighbour = next_after(id);
    ASSERT_EQ(run->find(neighbour).has_value(), ids.contains(neighbour));
    ++number;
  }
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const IdPrefix stranger = some_prefix(0xffff'0000'0000 + seed);
    ASSERT_EQ(run->find(stranger).has_value(), ids.contains(stranger));
  }
}

TEST(IndexRun, FindsEveryIdAndNoOther) {
  // 26,214 entries fill a segment, nearly.
  for (const std::size_t size : {0U, 1U, 2U, 3U, 7U, 100U, 1000U, 26'213U, 26'215U, 100'000U}) {
    std::set<IdPrefix> ids;
    for (std::uint64_t seed = 0; ids.size() < size; ++seed) ids.insert(some_prefix(seed));
    SCOPED_TRACE(size);
    expect_finds_exactly(ids);
  }
}

TEST(IndexRun, FindsIdsThatSomebodyChoseToSitClose) {
  std::set<IdPrefix> same_start;  // nothing in the leading bits to interpolate by
  std::set<IdPrefix> steps;       // each twice as far as the one before
  std::set<IdPrefix> two_ends;    // all at the bottom, one at the top
  for (std::uint32_t i = 0; i < 5000; ++i) {
    IdPrefix id{};
    store_le(id.data() + 12, __builtin_bswap32(i));
    same_start.insert(id);
    IdPrefix low{};
    store_le(low.data() + 4, __builtin_bswap32(i));
    two_ends.insert(low);
    IdPrefix step{};
    store_le(step.data(), __builtin_bswap64(std::uint64_t{1} << (i % 64)));
    step[19] = static_cast<std::uint8_t>(i / 64);
    steps.insert(step);
  }
  IdPrefix top;
  top.fill(0xff);
  two_ends.insert(top);
  two_ends.insert(IdPrefix{});
  for (const auto* ids : {&same_start, &steps, &two_ends}) expect_finds_exactly(*ids);
}

TEST(IndexRun, FindsTheFirstOfEqualIds) {
  RunMaker maker;
  std::vector<IndexRun::Entry> entries;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (std::uint32_t copy = 0; copy < 1 + seed % 7; ++copy) {
      entries.push_back(entry_with(some_prefix(seed), copy));
    }
  }
  std::ranges::sort(entries, entry_before);
  const auto run = maker.open(maker.object(entries, one_large_pack()));
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto found = run->find(some_prefix(seed));
    ASSERT_TRUE(found);
    EXPECT_EQ(run->entry(*found).frame_offset, kHeaderSize);
    EXPECT_TRUE(*found == 0 || run->entry(*found - 1).id != some_prefix(seed));
  }
}

TEST(IndexRun, IsReadBackWithAllThatItHolds) {
  RunMaker maker;
  const std::vector<ObjectId> supersedes{numbered_pack(100), numbered_pack(101)};
  const std::vector<PackEntries> packs{some_pack(1, 3, 10), some_pack(2, 5, 20)};
  const auto run = maker.open(maker.object(packs, supersedes));
  EXPECT_EQ(run->generation(), 3U);
  EXPECT_EQ(run->supersedes(), supersedes);
  ASSERT_EQ(run->pack_count(), 2U);
  EXPECT_EQ(run->pack_id(1), numbered_pack(2));
  EXPECT_EQ(run->pack_kind(0), PackKind::kMeta);
  EXPECT_EQ(run->pack_kind(1), PackKind::kData);
  EXPECT_EQ(run->pack_size(1), packs[1].size_bytes);
  ASSERT_EQ(run->size(), 8U);
  for (const PackEntries& pack : packs) {
    for (const PackEntries::Chunk& chunk : pack.chunks) {
      const auto found = run->find(chunk.id);
      ASSERT_TRUE(found);
      const ChunkLocation place = run->location(run->entry(*found));
      EXPECT_EQ(place.frame.pack, pack.pack);
      EXPECT_EQ(place.frame.offset, chunk.frame_offset);
      EXPECT_EQ(place.frame.sealed_length, chunk.sealed_length);
      EXPECT_EQ(place.frame.raw_length, chunk.raw_length);
    }
  }
}

TEST(IndexRun, KeepsAFilterOfLessThanTwoBytesAnEntry) {
  std::set<IdPrefix> ids;
  for (std::uint64_t seed = 0; seed < 50'000; ++seed) ids.insert(some_prefix(seed));
  EXPECT_LT(run_of(ids)->filter_bytes(), 2 * ids.size());
}

// Resident pages of files, of this process.
std::uint64_t resident_file_pages() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  statm >> size >> resident >> shared;
  return shared;
}

TEST(IndexRun, ThatIsMappedDoesNotStayResidentAfterItWasCheckedAndPassed) {
  RunMaker maker;
  const Bytes object = maker.object({some_pack(1, 200'000, 10)});
  const Bytes body = *open_index_object(object, maker.keyring, maker.config.id);
  const io::TemporaryFolder folder;
  const ByteView pieces[] = {body};
  ASSERT_EQ(problem(io::create_file(folder / "run", pieces, io::Durability::kUnsynced)), "");
  auto file = io::MappedFile::open(folder / "run");
  ASSERT_EQ(problem(file), "");
  const ByteView mapped = (*file)->bytes();
  const std::uint64_t before = resident_file_pages();
  const auto opened = IndexRun::open(id_of(object), std::move(*file), mapped);
  ASSERT_EQ(problem(opened), "");
  const IndexRun& run = **opened;
  std::set<IdPrefix> ids;
  for (std::uint64_t i = 0; i < run.size(); ++i) {
    ids.insert(run.entry(i).id);
    run.pass(i);
  }
  EXPECT_EQ(ids.size(), 200'000U);
  // The whole are 1,953 pages, what lies between two passes 80, and the kernel maps some around.
  EXPECT_LT(resident_file_pages(), before + 300);
  EXPECT_TRUE(run.find(*ids.begin()).has_value());
}

// ---- damage

TEST(IndexRunObject, GrowsInAFileAsInMemoryAndIsNamedByItsBytes) {
  RunMaker maker;
  const io::TemporaryFolder folder;
  const std::vector<PackEntries> packs{some_pack(1, 60'000, 10)};
  std::vector<IndexRun::Entry> entries = entries_of(packs);
  std::ranges::sort(entries, entry_before);
  Bytes bodies[2];
  for (const bool in_file : {false, true}) {
    auto writer = IndexRunWriter::create(
        maker.keyring, maker.config, maker.rng,
        {.entries = entries.size(), .generation = 3, .supersedes = {}, .packs = packs},
        in_file ? folder / "" : std::string());
    ASSERT_EQ(problem(writer), "");
    for (const IndexRun::Entry& entry : entries) ASSERT_EQ(problem((*writer)->add(entry)), "");
    const auto written = (*writer)->finish();
    ASSERT_EQ(problem(written), "");
    EXPECT_EQ(written->object.in_memory(), !in_file);
    const Bytes object = written->object.all().value();
    EXPECT_EQ(written->id, id_of(object));
    bodies[in_file ? 1 : 0] = *open_index_object(object, maker.keyring, maker.config.id);
  }
  EXPECT_EQ(bodies[0], bodies[1]);
}

TEST(IndexRunObject, IsOpenedASegmentAtATimeAndAgainFromTheStart) {
  RunMaker maker;
  const Bytes object = maker.object({some_pack(1, 60'000, 10)});
  std::size_t largest = 0;
  const auto reader = IndexObjectReader::open(
      [&](std::uint64_t offset, MutableByteView out) -> Result<void> {
        largest = std::max(largest, out.size());
        std::copy_n(object.data() + offset, out.size(), out.data());
        return {};
      },
      object.size(), maker.keyring, maker.config.id);
  ASSERT_EQ(problem(reader), "");
  const Bytes body = *open_index_object(object, maker.keyring, maker.config.id);
  EXPECT_EQ((*reader)->body().size, body.size());
  EXPECT_EQ(gathered((*reader)->body()).value(), body);
  EXPECT_EQ(gathered((*reader)->body()).value(), body);
  EXPECT_EQ(largest, kIndexSegmentSize + crypto::kTagSize);
}

TEST(IndexRunObject, WithAnyByteChangedIsRefused) {
  RunMaker maker;
  const Bytes object = maker.object({some_pack(1, 3, 10)});
  for_each_flip(object, [&](const Bytes& damaged, std::size_t at) {
    const auto body = open_index_object(damaged, maker.keyring, maker.config.id);
    ASSERT_FALSE(body) << "byte " << at;
    EXPECT_TRUE(is_damage(body.error().code())) << body.error().describe();
  });
}

TEST(IndexRunObject, CutShortAnywhereIsCorruption) {
  RunMaker maker;
  for_each_prefix(maker.object({some_pack(1, 3, 10)}), [&](ByteView prefix) {
    auto body = open_index_object(prefix, maker.keyring, maker.config.id);
    const auto run =
        body ? IndexRun::open(ObjectId{}, std::move(*body))
             : Result<std::shared_ptr<const IndexRun>>(std::unexpected(std::move(body).error()));
    EXPECT_EQ(code_of(run), "corruption") << prefix.size();
  });
}

TEST(IndexRunObject, OfSeveralSegmentsDoesNotOpenWithOneMissingOrTwoExchanged) {
  RunMaker maker;
  const Bytes object = maker.object({some_pack(1, 60'000, 10)});
  constexpr std::size_t kSealed = kIndexSegmentSize + crypto::kTagSize;
  ASSERT_GT(object.size(), kHeaderSize + 2 * kSealed);
  const auto first = object.begin() + kHeaderSize;
  Bytes exchanged = object;
  std::swap_ranges(exchanged.begin() + kHeaderSize, exchanged.begin() + kHeaderSize + kSealed,
                   exchanged.begin() + kHeaderSize + kSealed);
  EXPECT_EQ(code_of(open_index_object(exchanged, maker.keyring, maker.config.id)), "corruption");
  Bytes missing(object.begin(), first);
  missing.insert(missing.end(), first + kSealed, object.end());
  EXPECT_EQ(code_of(open_index_object(missing, maker.keyring, maker.config.id)), "corruption");
  // Without its last segment every seal is right, but the tables do not fill it.
  auto body = open_index_object(ByteView(object).first(kHeaderSize + 2 * kSealed), maker.keyring,
                                maker.config.id);
  ASSERT_EQ(problem(body), "");
  EXPECT_EQ(code_of(IndexRun::open(ObjectId{}, std::move(*body))), "corruption");
}

class IndexRunBody : public ::testing::Test {
 protected:
  IndexRunBody() {
    const Bytes object =
        maker_.object({some_pack(1, 3, 10), some_pack(2, 3, 20)}, {numbered_pack(9)});
    body_ = *open_index_object(object, maker_.keyring, maker_.config.id);
    packs_at_ = kHeadSize + 32;
    entries_at_ = packs_at_ + 2 * kPackRow;
  }
  std::string_view code_with(std::size_t at, std::uint64_t value, std::size_t bytes) {
    Bytes changed = body_;
    for (std::size_t i = 0; i < bytes; ++i) {
      changed[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    return code_of(IndexRun::open(ObjectId{}, std::move(changed)));
  }

  RunMaker maker_;
  Bytes body_;
  std::size_t packs_at_ = 0;
  std::size_t entries_at_ = 0;
};

TEST_F(IndexRunBody, CutShortOrTooLongIsCorruption) {
  for_each_prefix(body_, [](ByteView prefix) {
    EXPECT_EQ(code_of(IndexRun::open(ObjectId{}, to_owned(prefix))), "corruption");
  });
  body_.push_back(0);
  EXPECT_EQ(code_of(IndexRun::open(ObjectId{}, body_)), "corruption");
}

TEST_F(IndexRunBody, WithAbsurdTablesIsCorruption) {
  EXPECT_EQ(code_with(0, 'X', 1), "corruption");
  EXPECT_EQ(code_with(8, 41, 4), "corruption");
  EXPECT_EQ(code_with(12, 1, 4), "corruption");
  EXPECT_EQ(code_with(16, 7, 8), "corruption");
  EXPECT_EQ(code_with(16, ~0ULL, 8), "corruption");
  EXPECT_EQ(code_with(16, ~0ULL / 40 + 7, 8), "corruption");  // 40 times it begins again at zero
  EXPECT_EQ(code_with(24, ~0U, 4), "corruption");
  EXPECT_EQ(code_with(28, ~0U, 4), "corruption");
  EXPECT_EQ(code_with(40, 0, 1), "corruption");  // then there is no signature
  EXPECT_EQ(code_with(40, 2, 1), "corruption");
  EXPECT_EQ(code_with(41, 1, 1), "corruption");
  EXPECT_EQ(code_with(44, 1, 1), "corruption");
  EXPECT_EQ(code_with(63, 1, 1), "corruption");
}

TEST_F(IndexRunBody, WithAPackThatCannotBeIsCorruption) {
  EXPECT_EQ(code_with(packs_at_ + 40, 2, 4), "corruption");
  EXPECT_EQ(code_with(packs_at_ + 40, 5, 4), "corruption");
  EXPECT_EQ(code_with(packs_at_ + 44, 1, 4), "corruption");
  EXPECT_EQ(code_with(packs_at_ + 32, 1ULL << 32, 8), "corruption");
  EXPECT_EQ(code_with(packs_at_ + 32, 10, 8), "corruption");  // smaller than its frames
}

TEST_F(IndexRunBody, WithAnEntryThatCannotBeIsCorruption) {
  for (std::size_t entry = 0; entry < 6; ++entry) {
    const std::size_t at = entries_at_ + 40 * entry;
    EXPECT_EQ(code_with(at + 20, 2, 4), "corruption");  // no such pack
    EXPECT_EQ(code_with(at + 20, ~0U, 4), "corruption");
    EXPECT_EQ(code_with(at + 24, 0, 4), "corruption");    // a frame in the header
    EXPECT_EQ(code_with(at + 24, ~0U, 4), "corruption");  // beyond the pack
    EXPECT_EQ(code_with(at + 28, 16, 4), "corruption");   // nothing but a tag
    EXPECT_EQ(code_with(at + 28, ~0U, 4), "corruption");
    EXPECT_EQ(code_with(at + 32, kFrameMax + 1, 4), "corruption");
    EXPECT_EQ(code_with(at + 32, 100 | 2U << 28, 4), "corruption");  // no such codec
    EXPECT_EQ(code_with(at + 36, 100, 4), "corruption");             // behind the frame's end
  }
  EXPECT_EQ(code_with(entries_at_, ~0ULL, 8), "corruption");  // ids that descend
}

TEST_F(IndexRunBody, WithAnyByteChangedIsRefusedOrStillARun) {
  for_each_flip(body_, [](const Bytes& changed, std::size_t) {
    const auto run = IndexRun::open(ObjectId{}, changed);
    if (!run) {
      EXPECT_EQ(code_of(run), "corruption");
      return;
    }
    for (std::uint64_t i = 0; i < (*run)->size(); ++i) {
      const IndexRun::Entry entry = (*run)->entry(i);
      EXPECT_EQ((*run)->find(entry.id).value_or(~0ULL), i);
      (void)(*run)->location(entry);
    }
  });
}

}  // namespace
}  // namespace backstay::repo
