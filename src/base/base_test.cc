#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "base/bounded_queue.h"
#include "base/byte_size.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/record.h"
#include "base/rng.h"
#include "base/strong_id.h"
#include "base/try.h"

namespace backstay {
namespace {

TEST(Error, PrintsTheOutermostContextFirstAndKeepsTheInnermostHint) {
  Error error = Error(ErrorCode::kCorruption, "bytes do not match")
                    .with_hint("Run backstay check.")
                    .with_context("reading pack 3f")
                    .with_context("restoring /etc")
                    .with_hint("never shown");
  EXPECT_EQ(error.describe(), "restoring /etc: reading pack 3f: bytes do not match");
  EXPECT_EQ(error.hint(), "Run backstay check.");
  EXPECT_EQ(error.clone().describe(), error.describe());
}

TEST(Error, SaysOfAFullDiskThatItIsFull) {
  EXPECT_EQ(fail_errno(ENOSPC, "writing").error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(fail_errno(EDQUOT, "writing").error().code(), ErrorCode::kNoSpace);
}

Result<int> half(int number) {
  if (number % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return number / 2;
}
Result<int> quarter(int number) {
  return half(TRY_DOING("halving twice", half(number)));
}

TEST(Try, ReturnsTheValueOrTheErrorWithItsContext) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(3).error().describe(), "halving twice: odd");
}

TEST(Hex, RoundTripsAndRefusesWhatItWouldNotWrite) {
  const Bytes bytes{0x00, 0xff, 0x1a};
  EXPECT_EQ(to_hex(bytes), "00ff1a");
  EXPECT_EQ(from_hex("00ff1a").value(), bytes);
  EXPECT_FALSE(from_hex("0").has_value());
  EXPECT_FALSE(from_hex("0G").has_value());
  EXPECT_FALSE(from_hex("0A").has_value());
}

TEST(StrongId, RefusesAWrongLength) {
  using Id = StrongId<struct TestTag, 4>;
  EXPECT_EQ(Id::from_hex("01020304").value().hex(), "01020304");
  EXPECT_FALSE(Id::from_hex("010203").has_value());
}

TEST(ByteSize, ReadsBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_byte_size("512").value(), 512U);
  EXPECT_EQ(parse_byte_size("16MiB").value(), 16 * kMiB);
  EXPECT_EQ(parse_byte_size("16m").value(), 16 * kMiB);
  EXPECT_EQ(parse_byte_size("1.5 G").value(), kGiB + kGiB / 2);
  EXPECT_EQ(parse_byte_size("2kB").value(), 2000U);
  for (const char* wrong : {"", "x", "-1", "5 apples", "1e30", "MiB", "nan"}) {
    EXPECT_FALSE(parse_byte_size(wrong).has_value()) << wrong;
  }
}

TEST(ByteSize, WritesFourDigitsAtMost) {
  EXPECT_EQ(format_byte_size(0), "0 B");
  EXPECT_EQ(format_byte_size(1023), "1023 B");
  EXPECT_EQ(format_byte_size(1536), "1.500 KiB");
  EXPECT_EQ(format_byte_size(3718ULL * 1000 * 1000), "3.463 GiB");
}

TEST(Clock, ReadsTheTimesThatPeopleWrite) {
  const Timestamp now{1'800'000'000, 5};
  EXPECT_EQ(parse_time("2h ago", now).value(), (Timestamp{1'800'000'000 - 7200, 5}));
  EXPECT_EQ(parse_time("1970-01-02T00:00:00Z", now).value(), (Timestamp{86400, 0}));
  EXPECT_EQ(parse_time("1970-01-02T01:00:00.5+01:00", now).value(),
            (Timestamp{86400, 500'000'000}));
  EXPECT_EQ(parse_time("now", now).value(), now);
  EXPECT_TRUE(parse_time("2026-11-21 10:30", now).has_value());
  for (const char* wrong :
       {"", "yesterday-ish", "2026-13-01", "2026-11-21T25:00", "5 ago", "-2h ago"}) {
    EXPECT_FALSE(parse_time(wrong, now).has_value()) << wrong;
  }
  EXPECT_EQ(format_rfc3339({86400, 1}), "1970-01-02T00:00:00.000000001Z");
  EXPECT_EQ(format_rfc3339({-1, 0}), "1969-12-31T23:59:59.000000000Z");
}

TEST(Record, RoundTripsNumbersAndBytes) {
  Bytes out;
  RecordWriter writer(out);
  writer.number(1, 0);
  writer.number(2, ~0ULL);
  writer.signed_number(3, -5);
  writer.text(40, "text");
  RecordReader reader(out);
  EXPECT_EQ(reader.next().value().value_number, 0U);
  EXPECT_EQ(reader.next().value().value_number, ~0ULL);
  EXPECT_EQ(unzigzag(reader.next().value().value_number), -5);
  const Field text = reader.next().value();
  EXPECT_EQ(text.number, 40U);
  EXPECT_EQ(as_text(text.value_bytes), "text");
  EXPECT_TRUE(reader.done());
}

TEST(Record, ReportsEveryTruncationAsCorruption) {
  Bytes out;
  RecordWriter writer(out);
  writer.number(1, 300);
  writer.text(2, "abc");
  for (std::size_t length = 0; length < out.size(); ++length) {
    RecordReader reader(ByteView(out).first(length));
    bool failed = false;
    std::size_t fields = 0;
    while (!reader.done() && !failed) {
      const auto field = reader.next();
      failed = !field.has_value();
      if (failed)
        EXPECT_EQ(field.error().code(), ErrorCode::kCorruption);
      else
        ++fields;
    }
    EXPECT_TRUE(failed || fields < 2) << length;
  }
}

TEST(Record, RefusesNumbersOfMoreThan64Bits) {
  const Bytes eleven(11, 0xff);
  EXPECT_FALSE(ByteReader(eleven).varint().has_value());
  Bytes overflow(9, 0xff);
  overflow.push_back(2);
  EXPECT_FALSE(ByteReader(overflow).varint().has_value());
}

TEST(BoundedQueue, HoldsNoMoreThanItsWeight) {
  BoundedQueue<int> queue(10);
  std::jthread producer([&] {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(queue.push(i, 5));
    queue.close();
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(queue.pop(), i);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, LetsAnItemHeavierThanTheLimitThroughAlone) {
  BoundedQueue<int> queue(10);
  EXPECT_TRUE(queue.push(1, 1000));
  EXPECT_EQ(queue.pop(), 1);
}

TEST(BoundedQueue, RefusesItemsAfterClose) {
  BoundedQueue<int> queue(10);
  queue.close();
  EXPECT_FALSE(queue.push(1));
}

TEST(SeededRng, RepeatsItselfForTheSameSeed) {
  SeededRng a(7);
  SeededRng b(7);
  SeededRng c(8);
  const std::uint64_t first = a.next_u64();
  EXPECT_EQ(first, b.next_u64());
  EXPECT_NE(first, c.next_u64());
}

}  // namespace
}  // namespace backstay
