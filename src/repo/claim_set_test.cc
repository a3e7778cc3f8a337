#include "repo/claim_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace backstay::repo {
namespace {

// Of few different ids in one shard, whose homes are close together: long rows, also around the
// end of the table.
IdPrefix crowded_id(std::uint64_t number) {
  IdPrefix id{};
  store_le(id.data() + 8, number % 5 == 0 ? ~std::uint64_t{0} - number % 3 : number % 7);
  store_le(id.data() + 16, static_cast<std::uint32_t>(number));
  return id;
}

TEST(ClaimSet, HoldsWhatASetHoldsWhateverComesAndGoes) {
  std::mt19937_64 random(20);
  ClaimSet claims;
  std::set<IdPrefix> model;
  for (int step = 0; step < 60'000; ++step) {
    const IdPrefix id = crowded_id(random() % 300);
    if (random() % 2 == 0) {
      ASSERT_EQ(claims.insert(id), model.insert(id).second) << "step " << step;
    } else {
      claims.erase(id);
      model.erase(id);
    }
  }
  for (std::uint64_t number = 0; number < 300; ++number) {
    const IdPrefix id = crowded_id(number);
    EXPECT_EQ(claims.insert(id), !model.contains(id)) << number;
  }
}

TEST(ClaimSet, TakesTheIdOfZeros) {
  ClaimSet claims;
  EXPECT_TRUE(claims.insert({}));
  EXPECT_FALSE(claims.insert({}));
  claims.erase({});
  EXPECT_TRUE(claims.insert({}));
}

TEST(ClaimSet, GrowsWithoutLosingAnyone) {
  std::mt19937_64 random(21);
  std::vector<IdPrefix> ids(20'000);
  for (IdPrefix& id : ids) {
    store_le(id.data(), random());
    store_le(id.data() + 8, random());
  }
  ClaimSet claims;
  for (const IdPrefix& id : ids) ASSERT_TRUE(claims.insert(id));
  for (const IdPrefix& id : ids) ASSERT_FALSE(claims.insert(id));
  for (const IdPrefix& id : ids) claims.erase(id);
  for (const IdPrefix& id : ids) ASSERT_TRUE(claims.insert(id));
}

}  // namespace
}  // namespace backstay::repo
