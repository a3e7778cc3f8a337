#include "backend/bounded_backend.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"
#include "base/clock.h"

namespace backstay::backend {
namespace {

// What is staged goes into a store with a limit; far from it, it is a store like any other.
std::unique_ptr<Backend> far_from_full(const Clock& clock) {
  constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;
  return BoundedBackend::open(
             std::make_unique<MemoryBackend>(clock),
             {.bytes_max = kPlenty, .reserve_bytes = 0, .free_bytes = [] { return kPlenty; }})
      .value();
}

INSTANTIATE_TEST_SUITE_P(Bounded, BackendContract,
                         ::testing::Values(contract_in_memory("bounded", far_from_full)));

class Bounded : public ::testing::Test {
 protected:
  std::unique_ptr<BoundedBackend> open(StoreBounds bounds) {
    auto opened =
        BoundedBackend::open(std::make_unique<ForwardingBackend>(memory_), std::move(bounds));
    return opened ? *std::move(opened) : nullptr;
  }
  static Result<void> put(Backend& store, const char* name, std::size_t bytes) {
    return store.put(name, Bytes(bytes, 'x'));
  }

  SystemClock clock_;
  MemoryBackend memory_{clock_};
};

TEST_F(Bounded, TakesAsMuchAsItMayHoldAndNoByteMore) {
  ASSERT_TRUE(put(memory_, "data/before", 40));
  const auto store = open({.bytes_max = 100, .reserve_bytes = 0, .free_bytes = {}});
  EXPECT_TRUE(put(*store, "data/first", 50));
  const auto refused = put(*store, "data/second", 11);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kNoSpace);
  EXPECT_FALSE(memory_.head("data/second"));
  EXPECT_TRUE(put(*store, "data/third", 10));
}

TEST_F(Bounded, CountsNothingForWhatWasNotStored) {
  const auto store = open({.bytes_max = 100, .reserve_bytes = 0, .free_bytes = {}});
  EXPECT_TRUE(put(*store, "data/first", 60));
  EXPECT_FALSE(put(*store, "data/first", 30));  // the name is taken
  EXPECT_TRUE(put(*store, "data/second", 40));
}

TEST_F(Bounded, LeavesTheReserveOfTheDiskAlone) {
  std::uint64_t free = 1000;
  const auto store = open({.bytes_max = 5000, .reserve_bytes = 900, .free_bytes = [&] {
                             return Result<std::uint64_t>(free);
                           }});
  EXPECT_TRUE(put(*store, "data/first", 100));
  free = 950;
  EXPECT_EQ(put(*store, "data/second", 51).error().code(), ErrorCode::kNoSpace);
  EXPECT_TRUE(put(*store, "data/third", 50));
}

}  // namespace
}  // namespace backstay::backend
