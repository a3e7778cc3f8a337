#include "backend/retry_backend.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "backend/fault_backend.h"
#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"
#include "base/try.h"
#include "crypto/random.h"

namespace backstay::backend {
namespace {

using Effect = FaultBackend::Effect;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Hands a store over that the test keeps its hold of.
std::unique_ptr<Backend> borrowed(Backend& store) {
  return std::make_unique<ForwardingBackend>(store);
}

// One call in three fails, before or after it was carried out.
class ShakyStore final : public ContractStore {
 public:
  ShakyStore() {
    SeededRng chance(3);
    for (std::uint64_t call = 1; call < 20'000; ++call) {
      if (chance.below(3) > 0) continue;
      faults_.fail_at(call, ErrorCode::kUnavailable,
                      chance.below(2) == 0 ? Effect::kApplied : Effect::kLost);
    }
  }
  Backend& backend() override { return backend_; }
  bool turn_clock(std::int64_t seconds) override {
    clock_.turn(seconds);
    return true;
  }

 private:
  static RetryPolicy without_end() {
    RetryPolicy policy;
    policy.attempts_max = 1000;
    policy.burst = 1'000'000;
    return policy;
  }

  TurnedClock clock_;
  crypto::SystemRng rng_;  // several threads use it
  MemoryBackend memory_{clock_};
  FaultBackend faults_{memory_};
  RetryBackend backend_{
      borrowed(faults_), without_end(), {clock_, rng_, [](nanoseconds) {}, {}, {}}};
};

INSTANTIATE_TEST_SUITE_P(RetriedShaky, BackendContract,
                         ::testing::Values(ContractParam{
                             "shaky", [] { return std::make_unique<ShakyStore>(); }}));

class Retry : public ::testing::Test {
 protected:
  RetryBackend make(const RetryPolicy& policy = {}) { return make_over(faults_, policy); }
  RetryBackend make_over(Backend& store, const RetryPolicy& policy = {}) {
    return {borrowed(store),
            policy,
            {time_, rng_,
             [this](nanoseconds pause) {
               pauses_.push_back(pause);
               time_.slept += pause;
               if (stop_in_sleep_) stop_.request_stop();
             },
             stop_.get_token(),
             [this](const Error& error, nanoseconds) { notes_.push_back(error.describe()); }}};
  }
  void fail_calls(std::uint64_t count, ErrorCode code = ErrorCode::kUnavailable,
                  Effect effect = Effect::kLost) {
    const std::uint64_t before = faults_.calls();
    for (std::uint64_t i = 1; i <= count; ++i) faults_.fail_at(before + i, code, effect);
  }

  SleptTime time_;
  SeededRng rng_{7};
  std::stop_source stop_;
  bool stop_in_sleep_ = false;
  std::vector<nanoseconds> pauses_;
  std::vector<std::string> notes_;
  MemoryBackend memory_{time_};
  FaultBackend faults_{memory_};
};

TEST_F(Retry, AsksAgainUntilTheStoreAnswers) {
  RetryBackend backend = make();
  fail_calls(5);
  ASSERT_TRUE(backend.put("config", as_bytes("text")).has_value());
  EXPECT_EQ(pauses_.size(), 5U);
  ASSERT_EQ(notes_.size(), 5U);
  EXPECT_EQ(notes_[0], "failing on purpose: put config");
  fail_calls(2);
  EXPECT_EQ(as_text(backend.get("config", 10).value()), "text");
}

TEST_F(Retry, AsksAgainForNothingButUnavailable) {
  for (const ErrorCode code :
       {ErrorCode::kNotFound, ErrorCode::kAlreadyExists, ErrorCode::kCorruption,
        ErrorCode::kPermissionDenied, ErrorCode::kNoSpace, ErrorCode::kCancelled,
        ErrorCode::kUnsupported, ErrorCode::kInternal, ErrorCode::kConflict}) {
    RetryBackend backend = make();
    fail_calls(1, code);
    EXPECT_EQ(backend.put("data/a", as_bytes("x")).error().code(), code);
    EXPECT_TRUE(pauses_.empty());
  }
}

TEST_F(Retry, DrawsPausesBelowABoundThatDoubles) {
  const RetryPolicy policy{.attempts_max = 9,
                           .pause_first_max = milliseconds(100),
                           .pause_max = milliseconds(1000),
                           .refill = milliseconds(0)};
  std::set<nanoseconds> first;
  for (int round = 0; round < 20; ++round) {
    pauses_.clear();
    RetryBackend backend = make(policy);
    fail_calls(9);
    EXPECT_FALSE(backend.head("a").has_value());
    ASSERT_EQ(pauses_.size(), 8U);
    milliseconds bound(100);
    for (const nanoseconds pause : pauses_) {
      EXPECT_LE(pause, bound);
      bound = std::min(2 * bound, milliseconds(1000));
    }
    first.insert(pauses_[0]);
  }
  EXPECT_GT(first.size(), 15U) << "pauses must differ";
}

TEST_F(Retry, GivesUpAfterItsAttemptsAndSaysHowManyThereWere) {
  RetryBackend backend = make({.attempts_max = 4});
  fail_calls(10);
  const auto done = backend.head("a");
  EXPECT_EQ(done.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(done.error().describe(), "after 4 attempts: failing on purpose: head a");
  EXPECT_EQ(faults_.calls(), 4U);
}

TEST_F(Retry, BeginsNoAttemptAfterItsTime) {
  RetryBackend backend = make(
      {.attempts_max = 1000, .pause_max = milliseconds(500), .time_max = milliseconds(10'000)});
  fail_calls(1000);
  EXPECT_FALSE(backend.head("a").has_value());
  EXPECT_LE(time_.slept, milliseconds(10'000));
  EXPECT_GT(time_.slept, milliseconds(9000));
}

TEST_F(Retry, PacesWhatIsRepeatedOverAllCalls) {
  RetryBackend backend = make({.attempts_max = 3,
                               .pause_first_max = milliseconds(0),
                               .burst = 10,
                               .refill = milliseconds(1000)});
  fail_calls(1000);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(backend.head("a").has_value());
  EXPECT_EQ(time_.slept, nanoseconds(0)) << "ten may be repeated at once";
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(backend.head("a").has_value());
  EXPECT_EQ(time_.slept, std::chrono::seconds(100));
}

TEST_F(Retry, LeavesTheStoreAloneAsLongAsItAsks) {
  class Busy final : public ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<Timestamp> store_time() override {
      if (asked_++ > 0) return inner_.store_time();
      return std::unexpected(Error(ErrorCode::kUnavailable, "slow down").with_retry_after(90'000));
    }
    int asked_ = 0;
  };
  Busy busy(memory_);
  RetryBackend backend = make_over(busy);
  EXPECT_TRUE(backend.store_time().has_value());
  EXPECT_EQ(pauses_, std::vector<nanoseconds>{std::chrono::seconds(90)});
}

TEST_F(Retry, StopsAtOnceWhenAskedTo) {
  RetryBackend backend = make();
  fail_calls(100);
  stop_in_sleep_ = true;
  EXPECT_EQ(backend.head("a").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(faults_.calls(), 1U);
  EXPECT_EQ(backend.head("a").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(faults_.calls(), 2U) << "what is to be done after a stop is still tried once";
  EXPECT_EQ(pauses_.size(), 1U);
}

TEST_F(Retry, KnowsItsOwnObjectAfterAnAnswerWasLost) {
  RetryBackend backend = make();
  const Bytes big(3'000'000, 7);
  const std::vector<ByteView> pieces{as_bytes("head"), {}, big};
  fail_calls(1, ErrorCode::kUnavailable, Effect::kApplied);
  EXPECT_TRUE(backend.put("leases/a", pieces).has_value());
  fail_calls(1, ErrorCode::kUnavailable, Effect::kApplied);
  EXPECT_TRUE(backend.put("leases/empty", ByteView()).has_value());
  const StreamedBytes streamed{.size = big.size(),
                               .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
                                 return ByteView(big).subspan(static_cast<std::size_t>(offset));
                               }};
  fail_calls(1, ErrorCode::kUnavailable, Effect::kApplied);
  EXPECT_TRUE(backend.put_streamed("index/a", streamed).has_value());
  EXPECT_EQ(backend.get("index/a", big.size()).value(), big);
}

TEST_F(Retry, LeavesTheNameToSomebodyElseWhoTookItMeanwhile) {
  ASSERT_TRUE(memory_.put("generations/1", as_bytes("their")).has_value());
  ASSERT_TRUE(memory_.put("generations/2", as_bytes("their longer one")).has_value());
  for (const char* const name : {"generations/1", "generations/2"}) {
    RetryBackend backend = make();
    fail_calls(1);
    EXPECT_EQ(backend.put(name, as_bytes("ours!")).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(backend.put(name, as_bytes("their")).error().code(), ErrorCode::kAlreadyExists)
        << "without doubt there is nothing to compare";
  }
  EXPECT_EQ(as_text(memory_.get("generations/1", 100).value()), "their");
}

TEST_F(Retry, ComparesAgainWhenReadingBackFailsToo) {
  RetryBackend backend = make();
  fail_calls(1, ErrorCode::kUnavailable, Effect::kApplied);
  // Call 2 is the put that finds the name taken, 3 and 4 look at it, 5 and 6 read it.
  faults_.fail_at(3, ErrorCode::kUnavailable);
  faults_.fail_at(5, ErrorCode::kUnavailable);
  EXPECT_TRUE(backend.put("leases/a", as_bytes("x")).has_value());
  EXPECT_EQ(faults_.calls(), 7U) << "the last one adopts it";
}

TEST_F(Retry, TakesWhatCannotBeReadBackForSomebodyElses) {
  RetryBackend backend = make();
  faults_.fail_reads("leases/a", ErrorCode::kPermissionDenied);
  fail_calls(1, ErrorCode::kUnavailable, Effect::kApplied);
  EXPECT_EQ(backend.put("leases/a", as_bytes("x")).error().code(), ErrorCode::kAlreadyExists);
}

TEST_F(Retry, RemovesWhatWasRemovedWithoutAnAnswer) {
  ASSERT_TRUE(memory_.put("leases/a", as_bytes("x")).has_value());
  RetryBackend backend = make();
  fail_calls(1, ErrorCode::kUnavailable, Effect::kApplied);
  EXPECT_TRUE(backend.remove("leases/a").has_value());
  EXPECT_TRUE(memory_.objects().empty());
}

// A listing that breaks off after some names, so many times, each time in another order.
class BreakingLists final : public ForwardingBackend {
 public:
  BreakingLists(Backend& inner, int breaks) : ForwardingBackend(inner), breaks_(breaks) {}
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override {
    std::vector<ObjectInfo> all;
    TRY(inner_.list(prefix, [&](const ObjectInfo& info) -> Result<void> {
      all.push_back(info);
      return {};
    }));
    const bool breaks = breaks_-- > 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (breaks && i == all.size() / 2) return fail(ErrorCode::kUnavailable, "broken off");
      TRY(each(all[(i * 7 + static_cast<std::size_t>(breaks_ + 10)) % all.size()]));
    }
    return {};
  }

 private:
  int breaks_;
};

TEST_F(Retry, GivesEachNameOnceHoweverOftenTheListingBeginsAnew) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(memory_.put("data/" + std::to_string(i), as_bytes("x")).has_value());
  }
  BreakingLists breaking(memory_, 4);
  RetryBackend backend = make_over(breaking);
  std::multiset<std::string> names;
  ASSERT_TRUE(backend
                  .list("data/",
                        [&](const ObjectInfo& info) -> Result<void> {
                          names.insert(info.name);
                          return {};
                        })
                  .has_value());
  EXPECT_EQ(pauses_.size(), 4U);
  EXPECT_EQ(names.size(), 100U);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 100U);
}

TEST_F(Retry, LeavesTheCallersOwnFailuresAlone) {
  ASSERT_TRUE(memory_.put("data/a", as_bytes("x")).has_value());
  RetryBackend backend = make();
  int told = 0;
  const auto listed = backend.list("", [&](const ObjectInfo&) -> Result<void> {
    ++told;
    return fail(ErrorCode::kUnavailable, "the caller's");
  });
  EXPECT_EQ(listed.error().describe(), "the caller's");
  EXPECT_EQ(told, 1);
  int asked = 0;
  const StreamedBytes failing{.size = 10, .piece_at = [&](std::uint64_t) -> Result<ByteView> {
                                ++asked;
                                return fail(ErrorCode::kUnavailable, "the source's");
                              }};
  EXPECT_EQ(backend.put_streamed("data/b", failing).error().describe(), "the source's");
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(pauses_.empty());
}

}  // namespace
}  // namespace backstay::backend
