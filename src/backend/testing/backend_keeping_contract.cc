// The part of the contract about what stores do not let go.
#include "backend/testing/backend_contract.h"

namespace backstay::backend {
namespace {

constexpr std::int64_t kHour = 3600;

Timestamp hours_from(Timestamp time, std::int64_t hours) {
  return {.seconds = time.seconds + hours * kHour, .nanos = 0};
}

}  // namespace

TEST_P(BackendContract, SaysThatItCannotRetainWhereItCannot) {
  if (backend().capabilities().object_lock) GTEST_SKIP() << "this store has object lock";
  ASSERT_TRUE(put("data/3f/a", "x").has_value());
  const Timestamp later = hours_from(backend().store_time().value(), 1);
  EXPECT_EQ(code_of(backend().retain("data/3f/a", later)), ErrorCode::kUnsupported);
  EXPECT_EQ(backend().retention("data/3f/a").value(), std::nullopt);
}

TEST_P(BackendContract, KeepsWhatIsRetainedAndSaysUntilWhen) {
  if (!backend().capabilities().object_lock) GTEST_SKIP() << "this store has no object lock";
  ASSERT_TRUE(put("data/3f/a", "x").has_value());
  ASSERT_TRUE(put("data/3f/b", "y").has_value());
  EXPECT_EQ(backend().retention("data/3f/a").value(), std::nullopt);
  const Timestamp later = hours_from(backend().store_time().value(), 24);
  ASSERT_TRUE(backend().retain("data/3f/a", later).has_value());
  ASSERT_TRUE(backend().barrier().has_value());
  EXPECT_EQ(backend().retention("data/3f/a").value(), later);
  for (int round = 0; round < 2; ++round) {
    const Result<void> removed = backend().remove("data/3f/a");
    EXPECT_EQ(code_of(removed), ErrorCode::kPermissionDenied);
    EXPECT_NE(removed.error().describe().find(format_rfc3339(later)), std::string::npos)
        << removed.error().describe();
    EXPECT_EQ(code_of(put("data/3f/a", "z")), ErrorCode::kAlreadyExists);
    EXPECT_EQ(text_of("data/3f/a"), "x");
    store().reopen();
    EXPECT_EQ(backend().retention("data/3f/a").value(), later);
  }
  EXPECT_TRUE(backend().remove("data/3f/b").has_value()) << "nobody retained this one";
}

TEST_P(BackendContract, ExtendsRetentionAndNeverShortensIt) {
  if (!backend().capabilities().object_lock) GTEST_SKIP() << "this store has no object lock";
  ASSERT_TRUE(put("meta/3f/a", "x").has_value());
  const Timestamp now = backend().store_time().value();
  for (const std::int64_t hours : {5, 9, 2, -3, 9}) {
    ASSERT_TRUE(backend().retain("meta/3f/a", hours_from(now, hours)).has_value()) << hours;
    EXPECT_EQ(backend().retention("meta/3f/a").value(), hours_from(now, hours == 5 ? 5 : 9));
  }
  EXPECT_EQ(text_of("meta/3f/a"), "x");
}

TEST_P(BackendContract, LetsGoWhatWasRetainedWhenItsTimeHasCome) {
  if (!backend().capabilities().object_lock) GTEST_SKIP() << "this store has no object lock";
  ASSERT_TRUE(put("meta/3f/past", "x").has_value());
  const Timestamp now = backend().store_time().value();
  ASSERT_TRUE(backend().retain("meta/3f/past", hours_from(now, -1)).has_value());
  EXPECT_TRUE(backend().remove("meta/3f/past").has_value());
  EXPECT_EQ(code_of(backend().head("meta/3f/past")), ErrorCode::kNotFound);
  ASSERT_TRUE(put("meta/3f/soon", "x").has_value());
  ASSERT_TRUE(backend().retain("meta/3f/soon", hours_from(now, 2)).has_value());
  if (!store().turn_clock(3 * kHour)) GTEST_SKIP() << "nobody turns this store's clock";
  EXPECT_TRUE(backend().remove("meta/3f/soon").has_value());
}

TEST_P(BackendContract, FreesNothingEarlyWhenItsClockJumpsBack) {
  if (!backend().capabilities().object_lock) GTEST_SKIP() << "this store has no object lock";
  ASSERT_TRUE(put("meta/3f/a", "x").has_value());
  const Timestamp until = hours_from(backend().store_time().value(), 10);
  ASSERT_TRUE(backend().retain("meta/3f/a", until).has_value());
  if (!store().turn_clock(-48 * kHour)) GTEST_SKIP() << "nobody turns this store's clock";
  // Asked for again by a clock that is slow now: the earlier time changes nothing.
  const Timestamp sooner = hours_from(backend().store_time().value(), 10);
  ASSERT_TRUE(backend().retain("meta/3f/a", sooner).has_value());
  EXPECT_EQ(code_of(backend().remove("meta/3f/a")), ErrorCode::kPermissionDenied);
  ASSERT_TRUE(store().turn_clock(57 * kHour));
  EXPECT_EQ(code_of(backend().remove("meta/3f/a")), ErrorCode::kPermissionDenied);
  ASSERT_TRUE(store().turn_clock(2 * kHour));
  EXPECT_TRUE(backend().remove("meta/3f/a").has_value());
}

TEST_P(BackendContract, RetainsNothingThatIsNotThere) {
  if (!backend().capabilities().object_lock) GTEST_SKIP() << "this store has no object lock";
  const Timestamp later = hours_from(backend().store_time().value(), 1);
  EXPECT_EQ(code_of(backend().retain("data/3f/a", later)), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(backend().retention("data/3f/a")), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(backend().retain("../a", later)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(backend().retention("../a")), ErrorCode::kInvalidArgument);
}

TEST_P(BackendContract, SaysThatItHasNoLegalHoldsWhereItHasNone) {
  if (backend().capabilities().legal_hold) GTEST_SKIP() << "this store has legal holds";
  ASSERT_TRUE(put("data/3f/a", "x").has_value());
  EXPECT_EQ(code_of(backend().set_legal_hold("data/3f/a", LegalHold::kOn)),
            ErrorCode::kUnsupported);
  EXPECT_EQ(backend().legal_hold("data/3f/a").value(), LegalHold::kOff);
  EXPECT_TRUE(backend().remove("data/3f/a").has_value());
}

TEST_P(BackendContract, KeepsWhatIsUnderALegalHoldUntilItIsTurnedOff) {
  if (!backend().capabilities().legal_hold) GTEST_SKIP() << "this store has no legal holds";
  ASSERT_TRUE(put("data/3f/a", "x").has_value());
  EXPECT_EQ(backend().legal_hold("data/3f/a").value(), LegalHold::kOff);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(backend().set_legal_hold("data/3f/a", LegalHold::kOn).has_value()) << round;
    EXPECT_EQ(backend().legal_hold("data/3f/a").value(), LegalHold::kOn);
    const Result<void> removed = backend().remove("data/3f/a");
    EXPECT_EQ(code_of(removed), ErrorCode::kPermissionDenied);
    EXPECT_NE(removed.error().describe().find("legal hold"), std::string::npos)
        << removed.error().describe();
    EXPECT_EQ(code_of(put("data/3f/a", "z")), ErrorCode::kAlreadyExists);
    EXPECT_EQ(text_of("data/3f/a"), "x");
    store().reopen();
  }
  ASSERT_TRUE(backend().set_legal_hold("data/3f/a", LegalHold::kOff).has_value());
  ASSERT_TRUE(backend().set_legal_hold("data/3f/a", LegalHold::kOff).has_value());
  EXPECT_EQ(backend().legal_hold("data/3f/a").value(), LegalHold::kOff);
  EXPECT_TRUE(backend().remove("data/3f/a").has_value());
  EXPECT_EQ(code_of(backend().head("data/3f/a")), ErrorCode::kNotFound);
}

TEST_P(BackendContract, PutsNothingUnderALegalHoldThatIsNotThere) {
  if (!backend().capabilities().legal_hold) GTEST_SKIP() << "this store has no legal holds";
  EXPECT_EQ(code_of(backend().set_legal_hold("data/3f/a", LegalHold::kOn)), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(backend().legal_hold("data/3f/a")), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(backend().set_legal_hold("../a", LegalHold::kOn)), ErrorCode::kInvalidArgument);
}

}  // namespace backstay::backend
