#include "snapshot/page.h"

#include <gtest/gtest.h>

#include "snapshot/testing/damage.h"
#include "snapshot/testing/samples.h"
#include "snapshot/tree.h"

namespace backstay::snapshot {
namespace {

Bytes leaf_body(const Entry& entry) {
  Bytes record;
  encode_entry(entry, record);
  Bytes body;
  append_varint(body, record.size());
  append(body, record);
  return body;
}

Bytes inner_body(std::uint64_t number, std::uint64_t length, std::uint64_t entries) {
  SeededRng rng(number);
  Bytes body = to_owned(testing::sample_id(rng).view());
  append_varint(body, length);
  append_varint(body, entries);
  return body;
}

Bytes sample_leaf(std::uint64_t seed) {
  SeededRng rng(seed);
  PageWriter writer(0);
  for (char name = 'a'; name < 'm'; ++name) {
    writer.add_item(std::string("folder") + '\0' + name, leaf_body(testing::sample_entry(rng)));
  }
  Bytes page;
  writer.take(page);
  return page;
}

Bytes sample_inner() {
  PageWriter writer(2);
  for (char name = 'a'; name < 'm'; ++name) {
    writer.add_item(std::string("folder") + name, inner_body(7, 60'000, 300));
  }
  Bytes page;
  writer.take(page);
  return page;
}

// The page written again from what was read.
Bytes rewritten(const Bytes& page) {
  PageReader reader = PageReader::open(page).value();
  PageWriter writer(reader.level());
  while (!reader.at_end()) {
    reader.advance();
    Bytes body;
    if (reader.level() == 0) {
      append_varint(body, reader.item().record.size());
      append(body, reader.item().record);
    } else {
      append(body, reader.item().child.id.view());
      append_varint(body, reader.item().child.length);
      append_varint(body, reader.item().entries);
    }
    writer.add_item(reader.key(), body);
  }
  Bytes out;
  writer.take(out);
  return out;
}

void expect_refused(const Bytes& page) {
  const auto opened = PageReader::open(page);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
}

TEST(Page, RoundTripsLeavesAndInnerPages) {
  for (const Bytes& page : {sample_leaf(1), sample_leaf(2), sample_inner(), Bytes{0, 0}}) {
    EXPECT_EQ(rewritten(page), page);
  }
  EXPECT_EQ(decode_leaf(sample_leaf(1)).value().size(), 12U);
  EXPECT_EQ(decode_inner(sample_inner(), 2).value()[1].first_key, "folderb");
  EXPECT_FALSE(decode_inner(sample_inner(), 1).has_value());
  EXPECT_FALSE(decode_inner(sample_leaf(1), 0).has_value());
  EXPECT_FALSE(decode_leaf(sample_inner()).has_value());
}

TEST(Page, ReportsEveryTruncationAsCorruption) {
  testing::for_each_truncation(sample_leaf(1), expect_refused);
  testing::for_each_truncation(sample_inner(), expect_refused);
}

TEST(Page, ReadsADamagedPageOnlyWhenItCouldHaveBeenWritten) {
  SeededRng rng(5);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    for (const Bytes& page : {sample_leaf(seed), sample_inner()}) {
      testing::for_each_flipped_byte(page, rng, [](const Bytes& damaged) {
        const auto opened = PageReader::open(damaged);
        if (opened.has_value()) {
          EXPECT_EQ(rewritten(damaged), damaged);
        } else {
          EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
        }
        (void)decode_leaf(damaged).has_value();
      });
    }
  }
}

TEST(Page, RefusesClaimsBeyondItsBytes) {
  Bytes page{0};
  append_varint(page, 1'000'000'000);
  page.push_back(0);
  expect_refused(page);
  expect_refused({kTreeLevelMax + 1, 1, 0, 1, 'a'});
  expect_refused({1, 0});                                   // an inner page without items
  expect_refused({0, 0x81, 0, 0, 1, 'a', 0});               // a long form
  expect_refused({0, 1, 1, 1, 'a', 0});                     // shares with nothing
  expect_refused({0, 1, 0, 1, 'a', 0, 'x'});                // something follows
  expect_refused({0, 2, 0, 1, 'b', 0, 0, 1, 'a', 0});       // backwards
  expect_refused({0, 2, 0, 1, 'a', 0, 1, 0, 0});            // the same key again
  expect_refused({0, 2, 0, 1, 'a', 0, 0, 2, 'a', 'b', 0});  // shares more than it says
  expect_refused({0, 1, 0, 2, '.', '.', 0});
  expect_refused({0, 2, 0, 1, 'a', 0, 1, 3, 0, '.', '.', 0});
  EXPECT_TRUE(PageReader::open({0, 2, 0, 1, 'a', 0, 1, 2, 0, 'b', 0}).has_value());
  EXPECT_TRUE(PageReader::open({0, 2, 0, 0, 0, 0, 1, 'b', 0}).has_value());
}

TEST(Page, RefusesAbsurdChildren) {
  const auto page_with = [](std::uint64_t length, std::uint64_t entries) {
    PageWriter writer(1);
    writer.add_item("a", inner_body(1, length, entries));
    writer.add_item("b", inner_body(2, 100, ~std::uint64_t{0} - 5));
    Bytes page;
    writer.take(page);
    return page;
  };
  EXPECT_TRUE(PageReader::open(page_with(100, 5)).has_value());
  expect_refused(page_with(0, 5));
  expect_refused(page_with(kPageBytesMax + 1, 5));
  expect_refused(page_with(100, 0));
  expect_refused(page_with(100, 6));  // the sum does not fit 64 bits
}

TEST(Page, RefusesToDecodeAtOnceWhatWouldFillTheMemory) {
  // 400 keys of a megabyte each, which share all but their last bytes.
  Bytes record;
  encode_entry(testing::plain_folder(), record);
  Bytes body;
  append_varint(body, record.size());
  append(body, record);
  std::string key = "x";
  while (key.size() < 1'000'000) key += std::string(1, '\0') + "component";
  PageWriter writer(0);
  for (char first = 'a'; first < 'u'; ++first) {
    for (char second = 'a'; second < 'u'; ++second) writer.add_item(key + first + second, body);
  }
  Bytes page;
  writer.take(page);
  EXPECT_LT(page.size(), 1'100'000U);
  EXPECT_EQ(decode_leaf(page).error().code(), ErrorCode::kCorruption);
  std::uint64_t count = 0;
  EXPECT_TRUE(for_each_leaf_item(page, [&](const TreeItem&) -> Result<void> {
                ++count;
                return {};
              }).has_value());
  EXPECT_EQ(count, 400U);
}

TEST(Page, ComparesTheNextKeyWithoutBuildingIt) {
  PageReader reader = PageReader::open(sample_inner()).value();
  EXPECT_EQ(reader.compare_next("foldera"), 0);
  reader.advance();
  EXPECT_EQ(reader.key(), "foldera");
  EXPECT_EQ(reader.compare_next("folderb"), 0);
  EXPECT_GT(reader.compare_next("folder"), 0);
  EXPECT_GT(reader.compare_next("fold"), 0);
  EXPECT_GT(reader.compare_next(""), 0);
  EXPECT_GT(reader.compare_next("a"), 0);
  EXPECT_LT(reader.compare_next("folderbb"), 0);
  EXPECT_LT(reader.compare_next("z"), 0);
}

}  // namespace
}  // namespace backstay::snapshot
