#include "backend/probe.h"

#include <gtest/gtest.h>

#include "backend/forwarding_backend.h"
#include "backend/memory_backend.h"

namespace backstay::backend {
namespace {

// Overwrites as old stores do.
class Overwriting final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  using ForwardingBackend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    static_cast<void>(inner_.remove(name).has_value());
    const Result<void> done = inner_.put(name, pieces);
    // Another came between.
    if (!done && done.error().code() == ErrorCode::kAlreadyExists) return {};
    return done.has_value() ? Result<void>() : std::unexpected(done.error().clone());
  }
};

// Replaces whatever is there, as stores that do not know If-Match.
class IgnoringMarks final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<void> replace(std::string_view name, std::string_view /*mark*/, ByteView bytes) override {
    for (;;) {
      const auto now = inner_.mark(name);
      if (!now) return std::unexpected(now.error().clone());
      Result<void> done = inner_.replace(name, *now, bytes);
      if (done || done.error().code() != ErrorCode::kConflict) return done;
    }
  }
};

// Says of a lease that is replaced that it is another, and replaces it.
class Lying final : public ForwardingBackend {
 public:
  Lying(Backend& inner, ErrorCode says) : ForwardingBackend(inner), says_(says) {}
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override {
    static_cast<void>(inner_.replace(name, mark, bytes).has_value());
    return fail(says_, "on purpose");
  }

 private:
  const ErrorCode says_;
};

// Reads what was there before it was removed.
class ReadsLate final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    if (auto now = inner_.get(name, size_max)) return now;
    const ByteView old = as_bytes("what was put first");
    return Bytes(old.begin(), old.end());
  }
};

// Lists what was there when it was first asked.
class Forgetful final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<void> list(std::string_view /*prefix*/,
                    const std::function<Result<void>(const ObjectInfo&)>& /*each*/) override {
    return {};
  }
};

TEST(Probe, FindsAGoodStoreGoodAndLeavesNothing) {
  SystemClock clock;
  SeededRng rng(1);
  MemoryBackend store(clock);
  const ProbeReport report = probe(store, store, clock, rng).value();
  EXPECT_TRUE(report.creates_once);
  EXPECT_TRUE(report.keeps_first);
  EXPECT_TRUE(report.reads_ranges);
  EXPECT_TRUE(report.reads_at_once);
  EXPECT_TRUE(report.lists_at_once);
  EXPECT_EQ(report.swaps, Answer::kYes);
  EXPECT_EQ(report.versions, Answer::kNo);
  ASSERT_TRUE(report.clock_ahead_seconds.has_value());
  EXPECT_LE(*report.clock_ahead_seconds, 1);
  EXPECT_TRUE(report.says.object_lock);
  EXPECT_TRUE(store.objects().empty());
}

TEST(Probe, SeesThatAStoreOverwritesAndListsLate) {
  SystemClock clock;
  SeededRng rng(1);
  MemoryBackend store(clock);
  Overwriting overwriting(store);
  const ProbeReport poor = probe(overwriting, overwriting, clock, rng).value();
  EXPECT_FALSE(poor.creates_once);
  EXPECT_FALSE(poor.keeps_first);
  Forgetful forgetful(store);
  EXPECT_FALSE(probe(forgetful, forgetful, clock, rng).value().lists_at_once);
  ReadsLate late(store);
  EXPECT_FALSE(probe(store, late, clock, rng).value().reads_at_once);
  EXPECT_TRUE(store.objects().empty());
}

TEST(Probe, BelievesInNoCompareAndSwapThatItHasNotSeen) {
  SystemClock clock;
  SeededRng rng(1);
  MemoryBackend store(clock);
  IgnoringMarks ignoring(store);
  EXPECT_EQ(probe(store, ignoring, clock, rng).value().swaps, Answer::kNo);
  Lying refusing(store, ErrorCode::kConflict);
  EXPECT_EQ(probe(refusing, refusing, clock, rng).value().swaps, Answer::kNo);
  Lying without(store, ErrorCode::kUnsupported);
  EXPECT_EQ(probe(without, without, clock, rng).value().swaps, Answer::kNo);
  Lying silent(store, ErrorCode::kUnavailable);
  EXPECT_EQ(probe(silent, silent, clock, rng).value().swaps, Answer::kUnknown);
  EXPECT_TRUE(store.objects().empty());
}

}  // namespace
}  // namespace backstay::backend
