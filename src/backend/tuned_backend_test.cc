#include "backend/tuned_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend {
namespace {

constexpr TunedBackend::Limits kThree{.up = {.first = 3, .most = 3},
                                      .down = {.first = 3, .most = 3}};

INSTANTIATE_TEST_SUITE_P(Tuned, BackendContract,
                         ::testing::Values(contract_in_memory("tuned", [](const Clock& clock) {
                           return std::make_unique<TunedBackend>(
                               std::make_unique<MemoryBackend>(clock), kThree, clock,
                               TunedBackend::Tell());
                         })));

// Counts who is in it at once, and can be shut.
class Crowded final : public ForwardingBackend {
 public:
  using Backend::put;
  using ForwardingBackend::ForwardingBackend;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    const int now = ++inside;
    int before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    while (shut) shut.wait(true);
    Result<void> done = inner_.put(name, pieces);
    --inside;
    return done;
  }
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<bool> shut{false};
};

TEST(TunedBackend, LetsNoMoreGoAtOnceThanAreAllowedAndAllGoInTheEnd) {
  const SystemClock clock;
  MemoryBackend memory(clock);
  auto crowded = std::make_unique<Crowded>(memory);
  Crowded& inner = *crowded;
  TunedBackend backend(std::move(crowded), kThree, clock, {});
  std::atomic<int> done{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        for (int j = 0; j < 20; ++j) {
          const std::string name = "data/" + std::to_string(i) + "-" + std::to_string(j);
          if (backend.put(name, Bytes(5000))) ++done;
        }
      });
    }
  }
  EXPECT_EQ(done, 160);
  EXPECT_LE(inner.most, 3);
  EXPECT_EQ(backend.summary().up.transfers, 160U);
  EXPECT_EQ(backend.summary().down.transfers, 0U);
}

TEST(TunedBackend, LetsALeaseGoWhileAllPlacesAreTaken) {
  const SystemClock clock;
  MemoryBackend memory(clock);
  auto crowded = std::make_unique<Crowded>(memory);
  Crowded& inner = *crowded;
  TunedBackend backend(std::move(crowded), kThree, clock, {});
  inner.shut = true;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string name = i == 3 ? "leases/a" : "data/" + std::to_string(i);
      EXPECT_TRUE(backend.put(name, Bytes(i == 3 ? 4096 : 5000)).has_value());
    });
  }
  while (inner.inside < 4) std::this_thread::yield();
  inner.shut = false;
  inner.shut.notify_all();
}

// Says that it is too much, or that the line broke.
class Failing final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<void> get_range(std::string_view /*name*/, std::uint64_t /*offset*/,
                         MutableByteView /*out*/) override {
    Error error(ErrorCode::kUnavailable, "x");
    return std::unexpected(slow_down ? std::move(error).with_retry_after(1) : std::move(error));
  }
  bool slow_down = false;
};

TEST(TunedBackend, HeedsAStoreThatSaysSlowDownAtOnceAndABrokenLineOnlyWhenItBreaksOften) {
  const SystemClock clock;
  MemoryBackend memory(clock);
  auto failing = std::make_unique<Failing>(memory);
  Failing& inner = *failing;
  TunedBackend::Summary told;
  {
    TunedBackend backend(
        std::move(failing), {.up = {}, .down = {.first = 8, .most = 8}}, clock,
        [&](const Backend&, const TunedBackend::Summary& summary) { told = summary; });
    Bytes out(10);
    EXPECT_FALSE(backend.get_range("a", 0, out).has_value());
    EXPECT_EQ(backend.summary().down.allowed, 8U);
    inner.slow_down = true;
    EXPECT_FALSE(backend.get_range("a", 0, out).has_value());
    EXPECT_EQ(backend.summary().down.allowed, 4U);
  }
  EXPECT_EQ(told.down.set_back, 1U);
  EXPECT_EQ(told.down.transfers, 2U);
}

}  // namespace
}  // namespace backstay::backend
