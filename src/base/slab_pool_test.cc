#include "base/slab_pool.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

namespace backstay {
namespace {

TEST(SlabPool, HandsOutAsManyAsItHas) {
  SlabPool pool(100, 2);
  const Slab first = pool.take(1);
  const Slab second = pool.take(100);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->data(), second->data());
  EXPECT_EQ(first->size(), 100U);
}

TEST(SlabPool, GivesTheSameMemoryAgainWhenTheLastHolderLetsGo) {
  SlabPool pool(100, 1);
  Slab first = pool.take(1);
  const std::uint8_t* const memory = first->data();
  Slab shared = first;
  first.reset();
  std::optional<bool> same;
  std::jthread taker([&] { same = pool.take(1)->data() == memory; });
  shared.reset();
  taker.join();
  EXPECT_EQ(same, true);
}

TEST(SlabPool, EndsWaitsWhenAborted) {
  SlabPool pool(100, 1);
  const Slab all = pool.take(1);
  std::optional<bool> got;
  std::jthread taker([&] { got = pool.take(1) != nullptr; });
  pool.abort();
  taker.join();
  EXPECT_EQ(got, false);
}

TEST(SlabPool, GivesWhatIsLargerThanASlabWithoutWaiting) {
  SlabPool pool(100, 1);
  const Slab all = pool.take(1);
  const Slab large = pool.take(101);
  ASSERT_TRUE(large);
  EXPECT_EQ(large->size(), 101U);
}

}  // namespace
}  // namespace backstay
