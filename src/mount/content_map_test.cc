#include "mount/content_map.h"

#include <gtest/gtest.h>

#include <map>

#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::mount {
namespace {

using snapshot::Extent;
using snapshot::ExtentKind;

// Chunks in memory.
class Chunks final : public chunk::ChunkReader, public chunk::ChunkWriter {
 public:
  Result<chunk::ChunkRef> write(ByteView plaintext) override {
    const chunk::ChunkRef ref{.id = {crypto::blake3(plaintext).bytes},
                              .length = static_cast<std::uint32_t>(plaintext.size())};
    chunks_[ref.id] = to_owned(plaintext);
    return ref;
  }
  Result<Bytes> read(const chunk::ChunkRef& ref) override {
    ++reads_;
    const auto it = chunks_.find(ref.id);
    if (it == chunks_.end()) return fail(ErrorCode::kNotFound, "no such chunk");
    return it->second;
  }
  std::map<chunk::ChunkId, Bytes> chunks_;
  int reads_ = 0;
};

Extent piece(std::uint64_t number) {
  Extent extent{.kind = ExtentKind::kChunk, .length = 100 + number % 7, .id = {}};
  store_le(extent.id.bytes.data(), number);
  return extent;
}

class Content : public testing::Test {
 protected:
  // So many pieces that there are lists, and lists of lists where there are enough.
  void make(std::uint64_t pieces) {
    snapshot::ContentBuilder builder(chunks_);
    auto entry = std::make_shared<snapshot::Entry>();
    for (std::uint64_t i = 0; i < pieces; ++i) {
      starts_.push_back(entry->size_bytes);
      const Extent extent = piece(i);
      entry->size_bytes += extent.length;
      ASSERT_TRUE(builder.add(extent));
    }
    entry->content = *builder.finish();
    file_ = entry;
  }
  void expect_found(ContentMap& map, std::uint64_t number, std::uint64_t within) {
    const std::uint64_t offset = starts_[number] + within;
    const auto stretch = map.stretch_at(offset);
    ASSERT_TRUE(stretch.has_value()) << stretch.error().describe();
    const PlacedExtent& found = (*stretch)->extents[(*stretch)->at(offset)];
    EXPECT_EQ(found.offset, starts_[number]);
    EXPECT_EQ(found.extent, piece(number));
  }

  Chunks chunks_;
  std::vector<std::uint64_t> starts_;
  std::shared_ptr<const snapshot::Entry> file_;
};

TEST_F(Content, EveryPlaceOfAFileOfAnySizeIsFound) {
  for (const std::uint64_t pieces : {1ULL, 50ULL, 300ULL, 30'000ULL}) {
    starts_.clear();
    make(pieces);
    const auto map = *ContentMap::open(file_, chunks_);
    for (std::uint64_t number = 0; number < pieces; number += pieces / 37 + 1) {
      expect_found(*map, number, 0);
      expect_found(*map, number, piece(number).length - 1);
    }
    expect_found(*map, pieces - 1, 5);
    expect_found(*map, 0, 5);
  }
  EXPECT_GE(file_->content.level, 1);
}

TEST_F(Content, OnlyTheListsOnTheWayAreReadAndTheLastOneIsKept) {
  make(30'000);
  const auto map = *ContentMap::open(file_, chunks_);
  chunks_.reads_ = 0;
  expect_found(*map, 15'000, 1);
  EXPECT_LE(chunks_.reads_, file_->content.level);
  expect_found(*map, 15'000, 2);
  EXPECT_LE(chunks_.reads_, file_->content.level);
}

TEST_F(Content, AContentThatContradictsItselfIsRefused) {
  make(300);
  auto shorter = std::make_shared<snapshot::Entry>(*file_);
  ++shorter->size_bytes;
  EXPECT_EQ(ContentMap::open(shorter, chunks_).error().code(), ErrorCode::kCorruption);

  auto false_level = std::make_shared<snapshot::Entry>(*file_);
  ++false_level->content.level;
  const auto map = *ContentMap::open(false_level, chunks_);
  EXPECT_EQ(map->stretch_at(0).error().code(), ErrorCode::kCorruption);

  // A list that covers less than is said of it.
  auto longer = std::make_shared<snapshot::Entry>(*file_);
  longer->content.extents.back().length += 1000;
  longer->size_bytes += 1000;
  const auto other = *ContentMap::open(longer, chunks_);
  EXPECT_EQ(other->stretch_at(longer->size_bytes - 1).error().code(), ErrorCode::kCorruption);

  chunks_.chunks_.clear();
  const auto lost = *ContentMap::open(file_, chunks_);
  EXPECT_EQ(lost->stretch_at(0).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace backstay::mount
