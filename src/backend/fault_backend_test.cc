#include "backend/fault_backend.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"
#include "base/try.h"

namespace backstay::backend {
namespace {

using Effect = FaultBackend::Effect;

class FaultStore final : public ContractStore {
 public:
  Backend& backend() override { return backend_; }
  bool turn_clock(std::int64_t seconds) override {
    clock_.turn(seconds);
    return true;
  }

 private:
  TurnedClock clock_;
  MemoryBackend inner_{clock_};
  FaultBackend backend_{inner_};
};

INSTANTIATE_TEST_SUITE_P(FaultWithoutFault, BackendContract,
                         ::testing::Values(ContractParam{
                             "fault", [] { return std::make_unique<FaultStore>(); }}));

struct FaultTest : ::testing::Test {
  SystemClock clock;
  MemoryBackend inner{clock};
};

// Three changes and two reads.
Result<void> run(Backend& backend) {
  TRY(backend.put("a", as_bytes("first")));
  TRY(backend.head("a"));
  TRY(backend.put("b", as_bytes("second")));
  TRY(backend.get("b", 100));
  return backend.remove("a");
}

TEST_F(FaultTest, CrashesAtEveryCallUntilTheRunCompletes) {
  std::vector<std::string> cut;
  for (std::uint64_t number = 1;; ++number) {
    inner.set_objects({});
    FaultBackend backend(inner);
    backend.crash_at(number, Effect::kLost);
    const Result<void> done = run(backend);
    EXPECT_EQ(done.has_value(), !backend.crashed());
    if (!backend.crashed()) break;
    EXPECT_EQ(done.error().code(), ErrorCode::kCancelled);
    EXPECT_EQ(backend.calls(), number);
    EXPECT_EQ(backend.store_time().error().code(), ErrorCode::kCancelled);
    EXPECT_EQ(backend.put("c", as_bytes("x")).error().code(), ErrorCode::kCancelled);
    EXPECT_FALSE(inner.head("c").has_value());
    cut.push_back(backend.crashed_in());
  }
  EXPECT_EQ(cut, (std::vector<std::string>{"put a", "head a", "put b", "get b", "remove a"}));
}

TEST_F(FaultTest, NumbersChangesOnlyWhenAskedTo) {
  FaultBackend backend(inner, FaultBackend::Numbered::kChanges);
  backend.crash_at(2, Effect::kLost);
  EXPECT_FALSE(run(backend).has_value());
  EXPECT_EQ(backend.crashed_in(), "put b");
  EXPECT_FALSE(backend.head("a").has_value()) << "after a crash reads fail as well";
}

TEST_F(FaultTest, CrashesInTheFirstCallThatBeginsSo) {
  FaultBackend backend(inner);
  backend.crash_in("put b", Effect::kLost);
  EXPECT_FALSE(run(backend).has_value());
  EXPECT_EQ(backend.crashed_in(), "put b");
  EXPECT_TRUE(inner.head("a").has_value());
  EXPECT_FALSE(inner.head("b").has_value());
}

TEST_F(FaultTest, DecidesWhetherTheChangeThatIsHitTookEffect) {
  for (const Effect effect : {Effect::kLost, Effect::kApplied}) {
    inner.set_objects({});
    FaultBackend backend(inner);
    backend.crash_at(1, effect);
    EXPECT_FALSE(backend.put("a", as_bytes("x")).has_value());
    EXPECT_EQ(inner.head("a").has_value(), effect == Effect::kApplied);
  }
}

TEST_F(FaultTest, FailsSingleCallsWithAnyCode) {
  FaultBackend backend(inner);
  backend.fail_at(1, ErrorCode::kUnavailable);
  backend.fail_at(3, ErrorCode::kUnavailable, Effect::kApplied);
  EXPECT_EQ(backend.put("a", as_bytes("x")).error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(backend.put("a", as_bytes("x")).has_value());
  EXPECT_EQ(backend.put("b", as_bytes("x")).error().code(), ErrorCode::kUnavailable);
  // A lost answer: the second try finds the object there.
  EXPECT_EQ(backend.put("b", as_bytes("x")).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(backend.crashed());
}

TEST_F(FaultTest, RunsOutOfSpace) {
  FaultBackend backend(inner);
  backend.limit_space(10);
  EXPECT_TRUE(backend.put("a", as_bytes("123456")).has_value());
  EXPECT_EQ(backend.put("b", as_bytes("12345")).error().code(), ErrorCode::kNoSpace);
  EXPECT_FALSE(inner.head("b").has_value());
  EXPECT_TRUE(backend.put("c", as_bytes("1234")).has_value());
}

TEST_F(FaultTest, FlipsAndTruncatesWhatIsRead) {
  FaultBackend backend(inner);
  ASSERT_TRUE(backend.put("a", as_bytes("0123456789")).has_value());
  backend.flip_byte("a", 3);
  Bytes out(2);
  const auto turned = static_cast<std::uint8_t>('3' ^ 0xff);
  EXPECT_EQ(backend.get("a", 10).value()[3], turned);
  ASSERT_TRUE(backend.get_range("a", 3, out).has_value());
  EXPECT_EQ(out[0], turned);
  EXPECT_EQ(out[1], '4');
  ASSERT_TRUE(backend.get_range("a", 1, out).has_value());
  EXPECT_EQ(as_text(out), "12");
  backend.truncate("a", 4);
  EXPECT_EQ(backend.get("a", 10).value().size(), 4U);
  EXPECT_EQ(backend.head("a")->size_bytes, 4U);
  EXPECT_EQ(backend.get_range("a", 3, out).error().code(), ErrorCode::kCorruption);
  EXPECT_EQ(as_text(inner.get("a", 10).value()), "0123456789");
}

TEST_F(FaultTest, LosesInAPowerCutOnlyWhatNoBarrierCovered) {
  FaultBackend backend(inner);
  ASSERT_TRUE(backend.put("a", as_bytes("x")).has_value());
  ASSERT_TRUE(backend.barrier().has_value());
  ASSERT_TRUE(backend.put("b", as_bytes("x")).has_value());
  ASSERT_TRUE(backend.put("c", as_bytes("x")).has_value());
  ASSERT_TRUE(
      backend.lose_unsynced([](const std::string& name) { return name != "c"; }).has_value());
  EXPECT_TRUE(inner.head("a").has_value());
  EXPECT_FALSE(inner.head("b").has_value());
  EXPECT_TRUE(inner.head("c").has_value());
}

}  // namespace
}  // namespace backstay::backend
