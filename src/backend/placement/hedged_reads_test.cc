// Stores that hang: they are overtaken, within a budget, and asked last until they answer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>

#include "backend/placement/testing/many_stores_fixture.h"

namespace backstay::backend::placement {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Time that passes only where a test says so.
class HandClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return {1'700'000'000, 0}; }
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanos_));
  }
  void turn(std::chrono::nanoseconds by) { nanos_ += by.count(); }

 private:
  std::atomic<std::int64_t> nanos_ = 1'000'000'000;
};

StoreId store_number(std::uint8_t number) {
  StoreId id;
  id.bytes[0] = number;
  return id;
}

TEST(Readers, WaitsAsLongAsNineteenOfTwentyReadsTook) {
  const HandClock clock;
  Readers readers(clock);
  EXPECT_EQ(readers.patience(store_number(1), 100), seconds(1)) << "nothing is known yet";
  for (int i = 1; i <= 60; ++i) readers.took(store_number(1), 100, milliseconds(2 * i));
  EXPECT_EQ(readers.patience(store_number(1), 100), milliseconds(2 * 58));
  EXPECT_EQ(readers.patience(store_number(1), 1 << 20), seconds(1)) << "large reads are others";
  EXPECT_EQ(readers.patience(store_number(2), 100), seconds(1));
  for (int i = 0; i < 64; ++i) readers.took(store_number(1), 100, std::chrono::microseconds(9));
  EXPECT_EQ(readers.patience(store_number(1), 100), milliseconds(25)) << "not less than the floor";
}

TEST(Readers, MakesATenthOfTheRequestsBesidesAndNoMore) {
  const HandClock clock;
  Readers readers(clock);
  for (int i = 0; i < 2000; ++i) {
    readers.count_request();
    static_cast<void>(readers.may_make_extra(1));
  }
  EXPECT_LE(readers.counts().extra, 204U);
  EXPECT_GE(readers.counts().extra, 200U);
  // What was not used is saved up, within bounds.
  for (int i = 0; i < 2000; ++i) readers.count_request();
  EXPECT_FALSE(readers.may_make_extra(33));
  EXPECT_TRUE(readers.may_make_extra(31));
}

TEST(Readers, RunsWhatIsAskedForAtTheSameTime) {
  const HandClock clock;
  std::atomic<int> running = 0;
  std::atomic<int> done = 0;
  {
    Readers readers(clock);
    for (int i = 0; i < 20; ++i) {
      readers.run([&] {
        // None is over before all are begun.
        ++running;
        while (running < 20) std::this_thread::yield();
        ++done;
      });
    }
    while (done < 20) std::this_thread::yield();
  }
  EXPECT_EQ(done, 20);
}

class HedgedReads : public ::testing::Test {
 protected:
  void make(const std::string& layout, std::size_t stores) {
    many_ = std::make_unique<ManyStores>(layout, stores, clock_);
    backend_ = many_->create();
    for (int i = 0; i < 40; ++i) {
      const std::string name = name_of(i);
      ASSERT_TRUE(backend_->put(name, as_bytes(name)).has_value());
    }
  }
  void TearDown() override { let_go(); }
  static std::string name_of(int i) { return fmt::format("data/{:02x}/{:04}", i, i); }
  [[nodiscard]] unsigned first_owner(int i) const {
    return backend_->view()->ring().order_of(name_of(i)).front();
  }
  // Reads of the store hang from now on, and time goes by.
  void hang(unsigned store) {
    (*many_)[store].before = [this](std::string_view call, std::string_view) -> Result<void> {
      if (call != "get") return {};
      clock_.turn(seconds(10));
      const MutexLock lock(mutex_);
      while (hanging_) changed_.wait(mutex_);
      return {};
    };
    const MutexLock lock(mutex_);
    hanging_ = true;
  }
  void let_go() {
    const MutexLock lock(mutex_);
    hanging_ = false;
    changed_.notify_all();
  }
  void expect_object(int i) {
    const auto bytes = backend_->get(name_of(i), 100);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
    EXPECT_EQ(as_text(*bytes), name_of(i));
    Bytes end(4);
    const auto range = backend_->get_range(name_of(i), name_of(i).size() - 4, end);
    ASSERT_TRUE(range.has_value()) << range.error().describe();
    EXPECT_EQ(as_text(end), name_of(i).substr(name_of(i).size() - 4));
  }

  HandClock clock_;
  Mutex mutex_;
  CondVar changed_;
  bool hanging_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<ManyStores> many_;
  std::unique_ptr<PlacementBackend> backend_;
};

TEST_F(HedgedReads, TheNextOwnerIsAskedWhereTheFirstOneHangs) {
  make("copies: 2", 3);
  hang(first_owner(0));
  expect_object(0);
  EXPECT_EQ(backend_->readers().counts().extra, 1U);
}

TEST_F(HedgedReads, AStoreThatHangsIsAskedLastUntilItAnswers) {
  make("copies: 2", 3);
  hang(first_owner(0));
  for (int i = 0; i < 40; ++i) expect_object(i);
  EXPECT_EQ(backend_->readers().counts().extra, 1U) << "one read waited for it";
}

TEST_F(HedgedReads, ShardsOfAStoreThatHangsAreMadeFromOthers) {
  make("shards: 2+2", 5);
  hang(first_owner(0));
  for (int i = 0; i < 40; ++i) expect_object(i);
  EXPECT_LE(backend_->readers().counts().extra, 4U);
}

TEST_F(HedgedReads, WhereNobodyElseHasItTheSlowStoreIsWaitedFor) {
  make("copies: 1", 2);
  hang(first_owner(0));
  std::jthread reader([&] { expect_object(0); });
  // The other store says that it has nothing, and that counts for nothing.
  while (backend_->readers().counts().extra == 0) std::this_thread::yield();
  let_go();
}

}  // namespace
}  // namespace backstay::backend::placement
