#include "snapshot/snapshot.h"

#include <gtest/gtest.h>

#include "base/record.h"
#include "snapshot/testing/damage.h"
#include "snapshot/testing/samples.h"

namespace backstay::snapshot {
namespace {

Bytes encoded(const Snapshot& snapshot) {
  Bytes out;
  encode_snapshot(snapshot, out);
  return out;
}

Snapshot valid_snapshot() {
  Snapshot snapshot;
  snapshot.tree.page.length = 2;
  snapshot.paths = {"/home"};
  return snapshot;
}

void expect_corruption(const Snapshot& snapshot) {
  const auto decoded = decode_snapshot(encoded(snapshot));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
}

TEST(Snapshot, RoundTripsWhateverItHolds) {
  SeededRng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const Snapshot snapshot = testing::sample_snapshot(rng);
    const auto decoded = decode_snapshot(encoded(snapshot));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().describe();
    EXPECT_EQ(*decoded, snapshot);
    EXPECT_EQ(encoded(*decoded), encoded(snapshot));
  }
}

TEST(Snapshot, ReportsDamageAsAnErrorOrReadsAValueThatRoundTrips) {
  SeededRng rng(2);
  const auto check = [](const Bytes& damaged) {
    const auto decoded = decode_snapshot(damaged);
    if (!decoded.has_value()) {
      EXPECT_TRUE(decoded.error().code() == ErrorCode::kCorruption ||
                  decoded.error().code() == ErrorCode::kUnsupported);
      return;
    }
    EXPECT_EQ(decode_snapshot(encoded(*decoded)).value(), *decoded);
  };
  for (int i = 0; i < 50; ++i) {
    const Bytes record = encoded(testing::sample_snapshot(rng));
    testing::for_each_truncation(record, check);
    testing::for_each_flipped_byte(record, rng, check);
  }
}

TEST(Snapshot, RefusesAVersionThatItDoesNotKnow) {
  Bytes record = encoded(valid_snapshot());
  ASSERT_EQ(record[1], 1);
  record[1] = 2;
  EXPECT_EQ(decode_snapshot(record).error().code(), ErrorCode::kUnsupported);
}

TEST(Snapshot, SkipsFieldsOfLaterVersions) {
  Bytes record = encoded(valid_snapshot());
  RecordWriter(record).text(27, "position of a database");
  EXPECT_EQ(decode_snapshot(record).value(), valid_snapshot());
}

TEST(Snapshot, RefusesPathsThatAreNotCleanOrNotSorted) {
  EXPECT_TRUE(decode_snapshot(encoded(valid_snapshot())).has_value());
  for (const std::vector<std::string>& paths : std::initializer_list<std::vector<std::string>>{
           {"home"}, {"/a/../b"}, {"/a/"}, {"/b", "/a"}, {"/a", "/a"}, {""}}) {
    Snapshot snapshot = valid_snapshot();
    snapshot.paths = paths;
    expect_corruption(snapshot);
  }
  Snapshot snapshot = valid_snapshot();
  snapshot.tags = {"b", "a"};
  expect_corruption(snapshot);
  snapshot = valid_snapshot();
  snapshot.places_left_out = {"/a/", "/b"};
  expect_corruption(snapshot);
}

TEST(Snapshot, RefusesNumbersBeyondTheirLimits) {
  Snapshot snapshot = valid_snapshot();
  snapshot.started.nanos = 1'000'000'000;
  expect_corruption(snapshot);
  snapshot = valid_snapshot();
  snapshot.tree.level = kTreeLevelMax + 1;
  expect_corruption(snapshot);
  snapshot = valid_snapshot();
  snapshot.tree.page.length = 17 * 1024 * 1024;
  expect_corruption(snapshot);
  snapshot.tree.page.length = 0;
  expect_corruption(snapshot);
  snapshot = valid_snapshot();
  snapshot.type = static_cast<BackupType>(4);
  expect_corruption(snapshot);
  snapshot = valid_snapshot();
  snapshot.status = static_cast<Status>(0);
  expect_corruption(snapshot);
}

TEST(Snapshot, KeepsTheFirstHundredErrors) {
  Snapshot snapshot = valid_snapshot();
  for (int i = 0; i < 150; ++i) snapshot.errors.push_back({"/f" + std::to_string(i), "gone"});
  const Snapshot decoded = decode_snapshot(encoded(snapshot)).value();
  ASSERT_EQ(decoded.errors.size(), kRecordedErrorsMax);
  EXPECT_EQ(decoded.errors.back().path, "/f99");
}

TEST(Snapshot, NamesTypesAsTheCommandLineDoes) {
  for (const auto type : {BackupType::kFull, BackupType::kIncremental, BackupType::kDifferential}) {
    EXPECT_EQ(parse_backup_type(to_string(type)).value(), type);
  }
  EXPECT_EQ(parse_backup_type("ful").error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace backstay::snapshot
