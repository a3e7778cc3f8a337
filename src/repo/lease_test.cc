#include "repo/lease.h"

#include <gtest/gtest.h>

#include <thread>

#include "backend/forwarding_backend.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

LeaseRecord sample_lease() {
  LeaseRecord lease{.id = {},
                    .sequence = 77,
                    .operation = "backup",
                    .generation = 4,
                    .host = "host",
                    .user = "user",
                    .process = 4321,
                    .started = {.seconds = -1, .nanos = 5},
                    .renew_seconds = 300};
  SeededRng(3).fill(lease.id.bytes);
  return lease;
}

RepositoryId sample_repository() {
  RepositoryId id;
  SeededRng(4).fill(id.bytes);
  return id;
}

TEST(LeaseRecord, IsReadBack) {
  const LeaseRecord lease = sample_lease();
  const auto decoded = decode_lease(encode_lease(lease, sample_repository()), sample_repository());
  ASSERT_EQ(problem(decoded), "");
  EXPECT_EQ(decoded->id, lease.id);
  EXPECT_EQ(decoded->sequence, lease.sequence);
  EXPECT_EQ(decoded->operation, lease.operation);
  EXPECT_EQ(decoded->generation, lease.generation);
  EXPECT_EQ(decoded->host, lease.host);
  EXPECT_EQ(decoded->user, lease.user);
  EXPECT_EQ(decoded->process, lease.process);
  EXPECT_EQ(decoded->started, lease.started);
  EXPECT_EQ(decoded->renew_seconds, lease.renew_seconds);
}

TEST(LeaseRecord, DamagedOrOfAnotherRepositoryIsRefused) {
  const Bytes object = encode_lease(sample_lease(), sample_repository());
  EXPECT_EQ(code_of(decode_lease(object, RepositoryId{})), "corruption");
  for_each_flip(object, [](const Bytes& damaged, std::size_t at) {
    const auto decoded = decode_lease(damaged, sample_repository());
    ASSERT_FALSE(decoded) << "byte " << at;
    EXPECT_TRUE(is_damage(decoded.error().code()));
  });
  for_each_prefix(object, [](ByteView prefix) {
    EXPECT_EQ(code_of(decode_lease(prefix, sample_repository())), "corruption");
  });
}

class LeaseInStore : public ::testing::Test {
 protected:
  std::unique_ptr<Lease> acquire(backend::Backend& store, std::uint64_t renew_seconds = 300,
                                 Lease::Renewal renewal = Lease::Renewal::kByThread) {
    LeaseRecord record;
    record.operation = "backup";
    record.generation = 4;
    record.renew_seconds = renew_seconds;
    auto lease = Lease::acquire(store, repository_, record, rng_, renewal);
    EXPECT_EQ(problem(lease), "");
    return std::move(*lease);
  }
  std::vector<ListedLease> listed() {
    auto leases = list_leases(memory_, repository_);
    EXPECT_EQ(problem(leases), "");
    return leases ? std::move(*leases) : std::vector<ListedLease>{};
  }
  void wait_until(const std::function<bool()>& done) {
    while (!done()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  ManualClock clock_;
  SharedRng rng_{5};
  backend::MemoryBackend memory_{clock_};
  RepositoryId repository_ = sample_repository();
};

TEST_F(LeaseInStore, IsListedWhileItIsHeld) {
  EXPECT_TRUE(listed().empty());
  {
    const auto one = acquire(memory_);
    const auto two = acquire(memory_);
    EXPECT_NE(one->id(), two->id());
    const auto leases = listed();
    ASSERT_EQ(leases.size(), 2U);
    for (const ListedLease& lease : leases) {
      EXPECT_TRUE(lease.record.id == one->id() || lease.record.id == two->id());
      EXPECT_EQ(lease.record.operation, "backup");
      EXPECT_EQ(lease.record.generation, 4U);
      EXPECT_TRUE(lease.alive);
    }
    EXPECT_EQ(problem(one->verify()), "");
    EXPECT_EQ(problem(one->release()), "");
    EXPECT_EQ(problem(one->release()), "");
    EXPECT_EQ(listed().size(), 1U);
  }
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(LeaseInStore, IsDeadWhenTheStoreHasNotSeenItThreeTimes) {
  const auto lease = acquire(memory_, 100);
  clock_.advance(std::chrono::seconds(300));
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_TRUE(listed()[0].alive);
  EXPECT_EQ(listed()[0].age_seconds, 300);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_FALSE(listed()[0].alive);
}

class LeaseDatedAhead : public LeaseInStore {
 protected:
  void sight() { EXPECT_EQ(problem(sight_leases(memory_, repository_, listed())), ""); }
  [[nodiscard]] std::size_t sightings() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        memory_.objects(),
        [](const auto& object) { return object.first.starts_with("leases/seen-"); }));
  }
  static constexpr std::chrono::seconds kUntilDead{300};
  const std::unique_ptr<Lease> by_owner_ = [this] {
    clock_.advance(std::chrono::hours(24 * 365));
    auto lease = acquire(memory_, 100, Lease::Renewal::kByHolder);
    clock_.advance(-std::chrono::hours(24 * 365));
    return lease;
  }();
};

TEST_F(LeaseDatedAhead, LivesAsLongAsNobodyNotedIt) {
  clock_.advance(kUntilDead * 10);
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_TRUE(listed()[0].alive);
  EXPECT_TRUE(listed()[0].ahead);
  EXPECT_EQ(listed()[0].age_seconds, 0);
}

TEST_F(LeaseDatedAhead, IsDeadWhenItWasNotRenewedSinceItWasNoted) {
  sight();
  sight();
  clock_.advance(kUntilDead);
  EXPECT_TRUE(listed()[0].alive);
  EXPECT_EQ(listed()[0].age_seconds, 300);
  clock_.advance(std::chrono::seconds(1));
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_FALSE(listed()[0].alive);
}

TEST_F(LeaseDatedAhead, LivesWhenItIsRenewedAfterItWasNoted) {
  sight();
  clock_.advance(kUntilDead);
  EXPECT_EQ(problem(by_owner_->renew()), "");
  clock_.advance(kUntilDead);
  EXPECT_TRUE(listed()[0].alive);
  EXPECT_FALSE(listed()[0].ahead);
  sight();
  EXPECT_EQ(sightings(), 0U) << "what has no use any more goes";
}

TEST_F(LeaseDatedAhead, IsNotedAnewWhenTheClockIsSetBackOnceMore) {
  sight();
  clock_.advance(-std::chrono::hours(24));
  EXPECT_TRUE(listed()[0].alive);
  sight();
  EXPECT_EQ(sightings(), 1U);
  clock_.advance(kUntilDead + std::chrono::seconds(1));
  EXPECT_FALSE(listed()[0].alive);
}

TEST_F(LeaseDatedAhead, LeavesNothingWhenItWasReleasedOrEnded) {
  sight();
  EXPECT_EQ(problem(by_owner_->release()), "");
  EXPECT_TRUE(listed().empty());
  EXPECT_EQ(sightings(), 1U);
  sight();
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(LeaseInStore, AFewSecondsAheadIsNotNoted) {
  const auto lease = acquire(memory_, 100);
  clock_.advance(-std::chrono::seconds(100));
  EXPECT_FALSE(listed()[0].ahead);
  EXPECT_TRUE(listed()[0].alive);
}

TEST_F(LeaseInStore, IsRenewedUnderTheNextNumber) {
  const auto lease = acquire(memory_, 1);
  // Dead, until it is renewed: its thread may be so late that this comes after a renewal or two.
  clock_.advance(std::chrono::seconds(1000));
  wait_until([&] {
    const ListedLease now = listed()[0];
    return now.record.sequence >= 2 && now.alive;
  });
  EXPECT_EQ(listed()[0].record.id, lease->id());
  wait_until([&] { return memory_.objects().size() == 3; });
  EXPECT_EQ(problem(lease->release()), "");
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(LeaseInStore, OutlivesAnAnswerThatWasLost) {
  backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
  // The first renewal takes effect, but who renews is told that it failed.
  faults.fail_at(2, ErrorCode::kUnavailable, backend::FaultBackend::Effect::kApplied);
  const auto lease = acquire(faults, 1);
  wait_until([&] { return listed()[0].record.sequence >= 2; });
  wait_until([&] { return memory_.objects().size() == 3; });
  EXPECT_EQ(problem(lease->release()), "");
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(LeaseInStore, IsAConflictWhenItCouldNotBeRenewedForLong) {
  backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
  for (std::uint64_t call = 2; call < 100; ++call) faults.fail_at(call, ErrorCode::kUnavailable);
  const auto lease = acquire(faults, 1);
  EXPECT_EQ(problem(lease->verify()), "");
  wait_until([&] { return !lease->verify(); });
  EXPECT_EQ(code_of(lease->verify()), "conflict");
  EXPECT_NE(lease->verify().error().hint(), "");
}

TEST_F(LeaseInStore, FailsToBeTakenWhereNothingCanBeStored) {
  backend::FaultBackend faults(memory_);
  faults.fail_at(1, ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(Lease::acquire(faults, repository_, {}, rng_)), "no_space");
}

TEST_F(LeaseInStore, ThatCannotBeReadProtectsEverythingWhileItMayLive) {
  const auto lease = acquire(memory_);
  auto objects = memory_.objects();
  for (auto& [name, bytes] : objects) bytes[70] ^= 1;
  memory_.set_objects(objects);
  auto leases = listed();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].record.id, lease->id());
  EXPECT_EQ(leases[0].record.generation, 0U);
  EXPECT_TRUE(leases[0].alive);
  clock_.advance(std::chrono::seconds(901));
  EXPECT_FALSE(listed()[0].alive);
}

TEST_F(LeaseInStore, OfAnotherNameInsideIsNotTrusted) {
  const auto lease = acquire(memory_);
  LeaseRecord other = sample_lease();
  auto objects = memory_.objects();
  objects.begin()->second = encode_lease(other, repository_);
  memory_.set_objects(objects);
  EXPECT_EQ(listed()[0].record.generation, 0U);
}

TEST_F(LeaseInStore, IsNotLookedForUnderOtherNames) {
  ASSERT_EQ(problem(memory_.put("leases/notes", as_bytes("x"))), "");
  ASSERT_EQ(problem(memory_.put("leases/" + std::string(43, 'a'), as_bytes("x"))), "");
  EXPECT_TRUE(listed().empty());
}

// ---- ending a lease that is dead by the store's clock, while its owner may live

class LeaseThatIsEnded : public LeaseInStore {
 protected:
  void SetUp() override { lease_ = acquire(memory_, 100, Lease::Renewal::kByHolder); }
  void end_it() {
    const auto ended = end_lease(memory_, repository_, listed().front());
    ASSERT_EQ(problem(ended), "");
    ASSERT_TRUE(*ended);
  }
  std::unique_ptr<Lease> lease_;
};

TEST_F(LeaseThatIsEnded, IsSoundUntilThen) {
  EXPECT_EQ(problem(lease_->renew()), "");
  EXPECT_EQ(problem(lease_->renew()), "");
  EXPECT_EQ(problem(lease_->renew()), "");
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_EQ(listed()[0].numbers, (std::vector<std::uint64_t>{0, 2, 3}))
      << "the first, which no listing misses, and the newest two";
  EXPECT_EQ(problem(lease_->ask()), "");
  EXPECT_EQ(problem(lease_->confirm()), "");
}

TEST_F(LeaseThatIsEnded, CanNeitherBeRenewedNorConfirmed) {
  ASSERT_EQ(problem(lease_->renew()), "");
  end_it();
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_TRUE(listed()[0].ended);
  EXPECT_FALSE(listed()[0].alive);
  EXPECT_EQ(listed()[0].record.operation, "backup");
  EXPECT_EQ(code_of(lease_->ask()), "conflict");
  EXPECT_EQ(code_of(lease_->confirm()), "conflict");
  EXPECT_EQ(code_of(lease_->renew()), "conflict");
  EXPECT_EQ(code_of(lease_->verify()), "conflict");
  EXPECT_EQ(code_of(lease_->confirm()), "conflict");
}

TEST_F(LeaseThatIsEnded, IsLostAlsoWhenItsObjectsWereRemoved) {
  end_it();
  ASSERT_EQ(problem(remove_ended_lease(memory_, listed().front())), "");
  EXPECT_TRUE(memory_.objects().empty());
  EXPECT_EQ(code_of(lease_->confirm()), "conflict");
  const auto again = acquire(memory_, 100, Lease::Renewal::kByHolder);
  end_it();
  ASSERT_EQ(problem(remove_ended_lease(memory_, listed().front())), "");
  EXPECT_EQ(code_of(again->renew()), "conflict");
  EXPECT_EQ(code_of(again->renew()), "conflict") << "its own late renewal is no proof";
  EXPECT_EQ(code_of(again->confirm()), "conflict");
  EXPECT_EQ(problem(again->release()), "");
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(LeaseThatIsEnded, FindsOutHoweverOftenItWasRenewedMeanwhile) {
  // The look at numbers in end_lease() is a courtesy: here all of it happens after that look.
  const ListedLease before = listed().front();
  for (int i = 0; i < 4; ++i) ASSERT_EQ(problem(lease_->renew()), "");
  ASSERT_EQ(problem(memory_.put("leases/" + before.record.id.hex() + "-ended",
                                encode_lease(before.record, repository_))),
            "");
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_TRUE(listed()[0].ended);
  EXPECT_EQ(code_of(lease_->confirm()), "conflict") << "its snapshot may not count";
}

TEST_F(LeaseThatIsEnded, IsLostThoughAListingMissedItsFirstObject) {
  end_it();
  ListedLease partly = listed().front();
  partly.numbers.clear();
  ASSERT_EQ(problem(remove_ended_lease(memory_, partly)), "");
  EXPECT_EQ(code_of(lease_->confirm()), "conflict");
}

TEST_F(LeaseInStore, LivesWhenTheStoreHasNoSpaceToTellTheTime) {
  const auto lease = acquire(memory_, 100);
  clock_.advance(std::chrono::hours(5));
  class Timeless final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<Timestamp> store_time() override { return fail(ErrorCode::kNoSpace, "full"); }
  };
  Timeless full(memory_);
  const auto leases = list_leases(full, repository_);
  ASSERT_EQ(problem(leases), "");
  EXPECT_TRUE(leases->front().alive);
}

TEST_F(LeaseThatIsEnded, LeavesItsEndWhenItIsReleasedUnaware) {
  end_it();
  ASSERT_EQ(problem(lease_->release()), "");
  ASSERT_EQ(listed().size(), 1U) << "it is not yet known to everybody that it does not count";
  EXPECT_TRUE(listed()[0].ended);
  EXPECT_TRUE(listed()[0].numbers.empty());
  EXPECT_EQ(listed()[0].record.generation, 4U);
  ASSERT_EQ(problem(remove_ended_lease(memory_, listed().front())), "");
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(LeaseThatIsEnded, IsListedByItsFirstObjectWhenTheOthersWereMissed) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(problem(lease_->renew()), "");
  auto objects = memory_.objects();
  std::erase_if(objects, [](const auto& object) { return !object.first.ends_with("0000000000"); });
  ASSERT_EQ(objects.size(), 1U);
  memory_.set_objects(objects);
  EXPECT_EQ(listed().size(), 1U);
}

TEST_F(LeaseThatIsEnded, WasRenewedFirst) {
  const ListedLease before = listed().front();
  ASSERT_EQ(problem(lease_->renew()), "");
  const auto ended = end_lease(memory_, repository_, before);
  ASSERT_EQ(problem(ended), "");
  EXPECT_FALSE(*ended);
  EXPECT_EQ(problem(lease_->confirm()), "");
}

TEST_F(LeaseThatIsEnded, IsLostWhateverAnswerWasLost) {
  // A renewal that took effect without an answer, then the end, then all of it removed.
  backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
  faults.fail_at(2, ErrorCode::kUnavailable, backend::FaultBackend::Effect::kApplied);
  lease_->release().value();
  const auto lease = acquire(faults, 100, Lease::Renewal::kByHolder);
  EXPECT_EQ(code_of(lease->renew()), "unavailable");
  end_it();
  EXPECT_EQ(code_of(lease->renew()), "conflict");
  EXPECT_EQ(code_of(lease->confirm()), "conflict");
}

TEST_F(LeaseThatIsEnded, AnswersTheLookForItsOwnLostRenewal) {
  backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
  faults.fail_at(2, ErrorCode::kUnavailable, backend::FaultBackend::Effect::kApplied);
  const auto lease = acquire(faults, 100, Lease::Renewal::kByHolder);
  EXPECT_EQ(code_of(lease->renew()), "unavailable");
  EXPECT_EQ(problem(lease->confirm()), "") << "what stands there is its own";
  EXPECT_EQ(problem(lease->release()), "");
  EXPECT_EQ(listed().size(), 1U) << "the other one";
}

// Renews a lease between the listing and the reading.
class Overtaken final : public backend::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<Timestamp> store_time() override {
    if (std::exchange(overtaken_, true)) return inner_.store_time();
    LeaseRecord lease = sample_lease();
    const std::string before = "leases/" + lease.id.hex() + "-0000000077";
    const std::string after = "leases/" + lease.id.hex() + "-0000000078";
    lease.sequence = 78;
    EXPECT_EQ(problem(inner_.put(after, encode_lease(lease, sample_repository()))), "");
    EXPECT_EQ(problem(inner_.remove(before)), "");
    return inner_.store_time();
  }

 private:
  bool overtaken_ = false;
};

TEST_F(LeaseInStore, IsSeenAlsoWhenItIsRenewedWhileLeasesAreListed) {
  const LeaseRecord lease = sample_lease();
  ASSERT_EQ(problem(memory_.put("leases/" + lease.id.hex() + "-0000000077",
                                encode_lease(lease, repository_))),
            "");
  Overtaken overtaken(memory_);
  const auto leases = list_leases(overtaken, repository_);
  ASSERT_EQ(problem(leases), "");
  ASSERT_EQ(leases->size(), 1U);
  EXPECT_EQ(leases->front().record.sequence, 78U);
}

}  // namespace
}  // namespace backstay::repo
