#include "base/byte_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"

namespace backstay {
namespace {

TEST(ByteRing, HandsOutPiecesThatDoNotOverlap) {
  ByteRing ring(100);
  const auto first = ring.take(40);
  const auto second = ring.take(60);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->bytes().size(), 40U);
  EXPECT_EQ(second->bytes().data(), first->bytes().data() + 40);
}

TEST(ByteRing, UsesTheRoomOfTheOldestAgain) {
  ByteRing ring(100);
  auto first = ring.take(50);
  const auto second = ring.take(40);
  std::uint8_t* const start = first->bytes().data();
  first.reset();
  const auto third = ring.take(30);
  EXPECT_EQ(third->bytes().data(), start) << "ten bytes at the end are too few";
  const auto fourth = ring.take(20);
  EXPECT_EQ(fourth->bytes().data(), start + 30);
}

TEST(ByteRing, WaitsUntilTheOldestIsBack) {
  ByteRing ring(100);
  auto oldest = ring.take(50);
  auto newer = ring.take(50);
  std::atomic<bool> got = false;
  std::jthread taker([&] {
    const auto block = ring.take(10);
    got = block.has_value();
  });
  newer.reset();
  EXPECT_FALSE(got) << "room behind the oldest is no room yet";
  oldest.reset();
  taker.join();
  EXPECT_TRUE(got);
}

TEST(ByteRing, EndsWaitsWhenAborted) {
  ByteRing ring(10);
  const auto all = ring.take(10);
  std::optional<bool> got;
  std::jthread taker([&] { got = ring.take(1).has_value(); });
  ring.abort();
  taker.join();
  EXPECT_EQ(got, false);
}

TEST(ByteRing, HasMemoryBesideItForWhatIsLargerThanItself) {
  ByteRing ring(10);
  const auto all = ring.take(10);
  const auto large = ring.take(11);
  ASSERT_TRUE(large);
  std::ranges::fill(large->bytes(), std::uint8_t{1});
  EXPECT_EQ(all->bytes()[9], 0);
}

TEST(ByteRing, KeepsBytesApartWhenManyThreadsGiveBack) {
  struct Item {
    ByteRing::Block block;
    std::uint8_t fill;
  };
  ByteRing ring(1000);
  BoundedQueue<Item> queue(1000);
  std::atomic<int> wrong = 0;
  const auto check_all = [&] {
    while (const auto item = queue.pop()) {
      for (const std::uint8_t byte : item->block.bytes()) wrong += byte == item->fill ? 0 : 1;
    }
  };
  {
    std::jthread one(check_all);
    std::jthread two(check_all);
    for (std::size_t i = 0; i < 20'000; ++i) {
      auto block = ring.take(1 + i * 7919 % 600);
      ASSERT_TRUE(block);
      const auto fill = static_cast<std::uint8_t>(i);
      std::ranges::fill(block->bytes(), fill);
      ASSERT_TRUE(queue.push({.block = std::move(*block), .fill = fill}));
    }
    queue.close();
  }
  EXPECT_EQ(wrong, 0);
}

TEST(PageBuffer, GrowsInPowersOfTwoAndKeepsItsRoom) {
  PageBuffer buffer;
  EXPECT_EQ(buffer.room_for(5000).size(), 5000U);
  EXPECT_EQ(buffer.size(), 8192U);
  const std::uint8_t* const place = buffer.data();
  EXPECT_EQ(buffer.room_for(100).data(), place);
  buffer = PageBuffer();
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.room_for(0).size(), 0U);
}

}  // namespace
}  // namespace backstay
