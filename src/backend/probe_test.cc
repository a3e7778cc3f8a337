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
  EXPECT_TRUE(report.lists_at_once);
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
}

}  // namespace
}  // namespace backstay::backend
