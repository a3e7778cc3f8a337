#include "snapshot/entry.h"

#include <gtest/gtest.h>

#include "base/record.h"
#include "snapshot/testing/damage.h"
#include "snapshot/testing/samples.h"

namespace backstay::snapshot {
namespace {

Bytes encoded(const Entry& entry) {
  Bytes out;
  encode_entry(entry, out);
  return out;
}

void expect_corruption(ByteView record) {
  const auto decoded = decode_entry(record);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
}

// The fields of a regular, empty file with `changes` in place of, or between, those it has.
class RecordDraft {
 public:
  RecordDraft() { number(1, 1).number(5, 0).number(6, 0).number(7, 0).number(8, 0); }
  RecordDraft& number(std::uint32_t field, std::uint64_t value) {
    Bytes out;
    RecordWriter(out).number(field, value);
    fields_[field] = out;
    return *this;
  }
  RecordDraft& bytes(std::uint32_t field, ByteView value) {
    Bytes out;
    RecordWriter(out).bytes(field, value);
    fields_[field] = out;
    return *this;
  }
  RecordDraft& without(std::uint32_t field) {
    fields_.erase(field);
    return *this;
  }
  [[nodiscard]] Bytes record() const {
    Bytes out;
    for (const auto& [field, bytes] : fields_) append(out, bytes);
    return out;
  }

 private:
  std::map<std::uint32_t, Bytes> fields_;
};

TEST(Entry, RoundTripsWhateverItHolds) {
  SeededRng rng(1);
  for (int i = 0; i < 5000; ++i) {
    const Entry entry = testing::sample_entry(rng);
    ASSERT_TRUE(validate_entry(entry).has_value());
    const Bytes record = encoded(entry);
    const auto decoded = decode_entry(record);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().describe();
    EXPECT_EQ(*decoded, entry);
    EXPECT_EQ(encoded(*decoded), record);
  }
}

TEST(Entry, ReportsEveryTruncationAsCorruptionOrReadsAShorterRecord) {
  SeededRng rng(2);
  for (int i = 0; i < 100; ++i) {
    testing::for_each_truncation(encoded(testing::sample_entry(rng)), [](const Bytes& cut) {
      const auto decoded = decode_entry(cut);
      if (decoded.has_value()) {
        EXPECT_EQ(encoded(*decoded), cut);
      } else {
        EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
      }
    });
  }
}

TEST(Entry, ReadsADamagedRecordOnlyWhenItCouldHaveBeenWritten) {
  SeededRng rng(3);
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    const Bytes record = encoded(testing::sample_entry(rng));
    testing::for_each_flipped_byte(record, rng, [&](const Bytes& damaged) {
      const auto decoded = decode_entry(damaged);
      if (!decoded.has_value()) {
        EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
        ++refused;
      } else if (encoded(*decoded) != damaged) {
        // Then the flip made an unknown field, the only thing that is not written again.
        EXPECT_LT(encoded(*decoded).size(), damaged.size());
      }
    });
  }
  EXPECT_GT(refused, 1000);
}

TEST(Entry, SkipsFieldsOfLaterVersions) {
  Bytes record = RecordDraft().record();
  RecordWriter(record).text(25, "later");
  RecordWriter(record).number(300, 7);
  RecordWriter(record).number(300, 8);
  EXPECT_TRUE(decode_entry(record).has_value());
}

TEST(Entry, RefusesNumbersBeyondTheirLimits) {
  EXPECT_TRUE(decode_entry(RecordDraft().record()).has_value());
  expect_corruption(RecordDraft().number(1, 0).record());
  expect_corruption(RecordDraft().number(1, 8).record());
  expect_corruption(RecordDraft().number(2, 010000).record());
  expect_corruption(RecordDraft().number(3, 1ULL << 32).record());
  expect_corruption(RecordDraft().number(6, 1'000'000'000).record());
  expect_corruption(RecordDraft().number(12, 1'000'000'000).number(11, 0).record());
  expect_corruption(RecordDraft().number(20, 1ULL << 32).record());
  expect_corruption(RecordDraft().number(22, 2).record());
  expect_corruption(RecordDraft().number(1, 2).number(24, 256).record());
}

TEST(Entry, KnowsThatAFolderIsNotWhole) {
  const auto folder = decode_entry(RecordDraft().number(1, 2).number(24, 2).record());
  ASSERT_TRUE(folder.has_value());
  EXPECT_EQ(folder->left_out, LeftOut::kCache);
  EXPECT_TRUE(decode_entry(RecordDraft().number(1, 2).number(24, 255).record()).has_value());
  expect_corruption(RecordDraft().number(24, 2).record());
  expect_corruption(RecordDraft().number(1, 2).number(24, 0).record());
}

TEST(Entry, RefusesWhatItWouldNotWrite) {
  expect_corruption({});
  expect_corruption(RecordDraft().without(5).record());
  expect_corruption(RecordDraft().number(2, 0).record());                // a zero written out
  expect_corruption(RecordDraft().number(16, 1).record());               // one link
  expect_corruption(RecordDraft().number(9, 5).record());                // half of a time
  expect_corruption(RecordDraft().number(13, 5).record());               // a size without content
  expect_corruption(RecordDraft().number(17, 5).record());               // no device
  expect_corruption(RecordDraft().bytes(18, as_bytes("x")).record());    // no link
  expect_corruption(RecordDraft().number(1, 3).record());                // a link to nowhere
  expect_corruption(RecordDraft().number(1, 2).number(16, 2).record());  // links of a folder
  expect_corruption(RecordDraft().number(1, 2).number(13, 2).record());  // size of a folder
  expect_corruption(RecordDraft().bytes(3, as_bytes("x")).record());     // wrong wire type
  expect_corruption(RecordDraft().number(18, 3).record());
}

TEST(Entry, RefusesFieldsOutOfOrderAndLongForms) {
  Bytes twice = RecordDraft().record();
  RecordWriter(twice).number(8, 0);
  expect_corruption(twice);
  Bytes backwards = RecordDraft().number(14, 3).record();
  RecordWriter(backwards).number(13, 1);
  expect_corruption(backwards);
  Bytes long_form = RecordDraft().record();
  long_form.back() = 0x80;
  long_form.push_back(0);
  expect_corruption(long_form);
}

TEST(Entry, RefusesAContentThatDoesNotCoverTheSize) {
  const Bytes hole_of_five{0, 5 << 2 | 1};
  EXPECT_TRUE(
      decode_entry(RecordDraft().number(13, 5).bytes(23, hole_of_five).record()).has_value());
  expect_corruption(RecordDraft().number(13, 6).bytes(23, hole_of_five).record());
  expect_corruption(RecordDraft().bytes(23, hole_of_five).record());
  expect_corruption(RecordDraft().bytes(23, Bytes{0}).record());
  expect_corruption(RecordDraft().number(1, 2).bytes(23, hole_of_five).record());
}

TEST(Entry, RefusesAttributesOutOfOrder) {
  Entry entry = testing::plain_folder();
  entry.xattrs = {{"user.b", {1}}, {"user.a", {2}}};
  EXPECT_EQ(validate_entry(entry).error().code(), ErrorCode::kInvalidArgument);
  expect_corruption(encoded(entry));
  entry.xattrs = {{"user.a", {1}}, {"user.a", {2}}};
  expect_corruption(encoded(entry));
  entry.xattrs = {{"", {1}}};
  expect_corruption(encoded(entry));
}

TEST(Entry, LeavesOutWhatItsTypeDoesNotHave) {
  Entry folder = testing::plain_folder();
  const Bytes plain = encoded(folder);
  folder.size_bytes = 4096;
  folder.links = 7;
  folder.symlink_target = "x";
  folder.special_device = 5;
  folder.content.extents.push_back({.kind = ExtentKind::kHole, .length = 5, .id = {}});
  EXPECT_EQ(encoded(folder), plain);
}

TEST(Entry, RefusesToStoreWhatCouldNotBeReadBack) {
  Entry file = testing::plain_file(100, 1);
  EXPECT_TRUE(validate_entry(file).has_value());
  file.size_bytes = 101;
  EXPECT_FALSE(validate_entry(file).has_value());
  file = testing::plain_file(100, 1);
  file.mode = 0100644;
  EXPECT_FALSE(validate_entry(file).has_value());
  file = testing::plain_file(100, 1);
  file.modified.nanos = 1'000'000'000;
  EXPECT_FALSE(validate_entry(file).has_value());
}

TEST(Entry, KeepsTimesOutsideTheUsualYears) {
  Entry entry = testing::plain_folder();
  for (const std::int64_t seconds : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                     std::numeric_limits<std::int64_t>::max()}) {
    entry.modified = {seconds, 999'999'999};
    EXPECT_EQ(decode_entry(encoded(entry)).value(), entry);
  }
}

}  // namespace
}  // namespace backstay::snapshot
