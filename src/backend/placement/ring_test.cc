#include "backend/placement/ring.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace backstay::backend::placement {
namespace {

StoreId id_of(unsigned number) {
  StoreId id;
  id.bytes[0] = static_cast<std::uint8_t>(number);
  id.bytes[1] = 0x5a;
  return id;
}

Map map_of(const std::vector<std::uint32_t>& weights, Redundancy redundancy, unsigned domains = 0) {
  Map map;
  map.redundancy = redundancy;
  map.quorum = redundancy.width();
  for (unsigned i = 0; i < weights.size(); ++i) {
    map.stores.push_back({.name = fmt::format("s{:02}", i),
                          .id = id_of(i),
                          .weight = weights[i],
                          .domain = domains == 0 ? "" : fmt::format("d{}", i % domains)});
  }
  return map;
}

std::set<StoreId> owners(const Map& map, const Ring& ring, unsigned partition) {
  std::set<StoreId> ids;
  const std::vector<unsigned> order = ring.order_of_partition(partition);
  for (unsigned i = 0; i < map.redundancy.width(); ++i) ids.insert(map.stores[order[i]].id);
  return ids;
}

// Parts that change their store between two maps, as a share of all.
double moved(const Map& before, const Map& after) {
  const Ring a(before);
  const Ring b(after);
  std::size_t count = 0;
  for (unsigned p = 0; p < kPartitions; ++p) {
    const std::set<StoreId> was = owners(before, a, p);
    for (const StoreId& id : owners(after, b, p)) count += was.contains(id) ? 0U : 1U;
  }
  return static_cast<double>(count) / (kPartitions * before.redundancy.width());
}

struct Shape {
  std::vector<std::uint32_t> weights;
  Redundancy redundancy;
  unsigned domains;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{{1, 1, 1}, {1, 1}, 0},
                                      {{1, 1, 1, 1, 1}, {1, 1}, 0},
                                      {{1, 1, 1, 1, 1, 1}, {1, 2}, 3},
                                      {{1, 2, 3, 4, 5, 6}, {1, 1}, 0},
                                      {{4, 4, 4, 4, 8, 8, 2}, {4, 2}, 0},
                                      {std::vector<std::uint32_t>(20, 3), {8, 3}, 0},
                                      {std::vector<std::uint32_t>(12, 7), {1, 2}, 4},
                                      {{9, 1, 1, 1}, {1, 1}, 0}};
  return all;
}

TEST(Ring, GivesEveryStoreOnceInEachOrder) {
  for (const Shape& shape : shapes()) {
    const Map map = map_of(shape.weights, shape.redundancy, shape.domains);
    const Ring ring(map);
    for (unsigned p = 0; p < kPartitions; p += 7) {
      const std::vector<unsigned> order = ring.order_of_partition(p);
      ASSERT_EQ(order.size(), map.stores.size());
      ASSERT_EQ(std::set<unsigned>(order.begin(), order.end()).size(), order.size());
    }
  }
}

TEST(Ring, SpreadsByWeightWithinSixPercent) {
  for (const Shape& shape : shapes()) {
    if (shape.domains != 0) continue;
    const Ring ring(map_of(shape.weights, shape.redundancy));
    for (std::size_t i = 0; i < shape.weights.size(); ++i) {
      EXPECT_LE(ring.loads()[i], ring.fair_loads()[i] * 1.06 + 1) << i;
      EXPECT_GE(ring.loads()[i], ring.fair_loads()[i] * 0.90 - 1) << i;
    }
  }
}

TEST(Ring, NeverPutsTwoPartsIntoOneDomainWhereThereAreEnough) {
  for (const unsigned domains : {3U, 4U, 6U}) {
    const Map map = map_of(std::vector<std::uint32_t>(12, 1), {1, 2}, domains);
    const Ring ring(map);
    for (unsigned p = 0; p < kPartitions; ++p) {
      const std::vector<unsigned> order = ring.order_of_partition(p);
      std::set<std::string> used;
      for (unsigned i = 0; i < 3; ++i) used.insert(map.stores[order[i]].domain);
      ASSERT_EQ(used.size(), 3U) << p;
    }
  }
}

TEST(Ring, UsesAllDomainsWhereThereAreTooFew) {
  const Map map = map_of(std::vector<std::uint32_t>(8, 1), {1, 3}, 2);
  const Ring ring(map);
  for (unsigned p = 0; p < kPartitions; ++p) {
    const std::vector<unsigned> order = ring.order_of_partition(p);
    std::set<std::string> used;
    for (unsigned i = 0; i < 4; ++i) used.insert(map.stores[order[i]].domain);
    ASSERT_EQ(used.size(), 2U) << p;
  }
}

unsigned most_in_a_domain(const Map& map, const Ring& ring, unsigned partition) {
  std::map<std::string, unsigned> in;
  unsigned most = 0;
  const std::vector<unsigned> order = ring.order_of_partition(partition);
  for (unsigned i = 0; i < map.redundancy.width(); ++i)
    most = std::max(most, ++in[map.stores[order[i]].domain]);
  return most;
}

TEST(Ring, PutsNoMoreShardsIntoADomainThanMayBeLostWhereThereAreEnough) {
  for (const unsigned domains : {3U, 4U, 5U, 6U}) {
    const Map map = map_of(std::vector<std::uint32_t>(12, 1), {4, 2}, domains);
    EXPECT_LE(parts_in_a_domain(map), 2U);
    const Ring ring(map);
    for (unsigned p = 0; p < kPartitions; ++p) ASSERT_LE(most_in_a_domain(map, ring, p), 2U) << p;
  }
  // Of uneven domains the large one is not filled.
  Map uneven = map_of(std::vector<std::uint32_t>(10, 1), {4, 2}, 1);
  uneven.stores[7].domain = uneven.stores[8].domain = "e";
  uneven.stores[9].domain = "f";
  EXPECT_EQ(parts_in_a_domain(uneven), 3U);
  const Ring ring(uneven);
  for (unsigned p = 0; p < kPartitions; ++p) ASSERT_EQ(most_in_a_domain(uneven, ring, p), 3U) << p;
}

TEST(Ring, AStoreThatComesOrGoesMovesAboutItsShareOfShards) {
  struct Move {
    unsigned stores;
    Redundancy redundancy;
  };
  for (const auto& [stores, redundancy] : {Move{7, {4, 2}}, Move{9, {4, 2}}, Move{12, {8, 3}}}) {
    const Map before = map_of(std::vector<std::uint32_t>(stores, 5), redundancy);
    const Map after = map_of(std::vector<std::uint32_t>(stores + 1, 5), redundancy);
    const double share = 1.0 / (stores + 1);
    RecordProperty(fmt::format("moved_{}_{}", stores, redundancy.data),
                   fmt::format("{:.4f}", moved(before, after)));
    EXPECT_LE(moved(before, after), share * 1.2) << stores;
    EXPECT_GE(moved(before, after), share * 0.85) << stores;
    EXPECT_LE(moved(after, before), share * 1.3) << stores;
  }
}

TEST(Ring, AStoreThatComesTakesAboutItsShareAndNoMore) {
  for (const unsigned count : {3U, 4U, 5U, 6U, 8U, 10U, 20U}) {
    const Map before = map_of(std::vector<std::uint32_t>(count, 5), {1, 1});
    const Map after = map_of(std::vector<std::uint32_t>(count + 1, 5), {1, 1});
    const double share = 1.0 / (count + 1);
    EXPECT_LE(moved(before, after), share * 1.15) << count;
    EXPECT_GE(moved(before, after), share * 0.85) << count;
  }
}

TEST(Ring, AStoreThatGoesMovesAboutItsShareAndNoMore) {
  for (const unsigned count : {3U, 4U, 5U, 6U, 8U, 10U, 20U}) {
    const Map before = map_of(std::vector<std::uint32_t>(count, 5), {1, 1});
    for (const unsigned gone : {0U, count / 2, count - 1}) {
      Map after = before;
      after.stores.erase(after.stores.begin() + gone);
      EXPECT_LE(moved(before, after), 1.2 / count) << count;
      Map drained = before;
      drained.stores[gone].weight = 0;
      EXPECT_DOUBLE_EQ(moved(before, drained), moved(before, after));
    }
  }
}

TEST(Ring, AWeightThatChangesMovesAboutTheDifference) {
  const Map before = map_of({4, 4, 4, 4, 4}, {1, 1});
  Map after = before;
  after.stores[2].weight = 6;  // from 4/20 to 6/22 of all
  EXPECT_LE(moved(before, after), (6.0 / 22 - 4.0 / 20) * 1.6);
}

TEST(Ring, IsTheSameForTheSameMapForEver) {
  // Clients of different versions must find the same owners: these places never change.
  const Map map = map_of({1, 1, 2, 3, 1}, {1, 2}, 0);
  const Ring ring(map);
  std::string places;
  for (const unsigned p : {0U, 1U, 2U, 1000U, 4095U}) {
    for (const unsigned i : ring.order_of_partition(p)) places += std::to_string(i);
    places += ' ';
  }
  EXPECT_EQ(places, "43120 32041 31240 23104 23014 ");
  EXPECT_EQ(Ring::partition_of("config"), 1719U);
}

TEST(Ring, GivesNothingToStoresThatLeaveOrAreEmptied) {
  Map map = map_of({1, 1, 1, 1, 1}, {1, 1});
  map.stores[1].membership = Membership::kLeaving;
  map.stores[3].weight = 0;
  const Ring ring(map);
  EXPECT_EQ(ring.loads()[1], 0U);
  EXPECT_EQ(ring.loads()[3], 0U);
  const std::vector<unsigned> order = ring.order_of("data/3f/x");
  EXPECT_EQ((std::set<unsigned>{order[3], order[4]}), (std::set<unsigned>{1, 3}));
}

}  // namespace
}  // namespace backstay::backend::placement
