// Where objects live: consistent hashing with virtual nodes, weights, failure domains and bounded
// load (Karger et al. 1997; the bound after Mirrokni, Thorup and Zadimoghaddam, arXiv 1608.01350).
//
// Names fall into 4,096 partitions. On a circle of 64-bit numbers each store stands at about 256
// points, more or fewer by its weight, and each partition at one. A partition's owners are the
// first stores that a walk from its point meets, of distinct failure domains (of shards, as many
// in one as may be lost), and passing by stores that have their share: a store owns at most 5 %
// more partitions than its weight asks for. So a plain function of the map says where everything
// is, no store is much fuller than the others, and a store that comes or goes moves little more
// than its own share: over 3 to 10 stores 0.95 to 1.16 times that (ring_test.cc).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backend/placement/map.h"

namespace backstay::backend::placement {

inline constexpr unsigned kPartitions = 4096;

// How many parts of an object lie in one failure domain at least, however they are spread.
[[nodiscard]] unsigned parts_in_a_domain(const Map& map);
// invalid_argument where that is more shards than may be lost. Of copies it is no matter.
Result<void> check_domains(const Map& map);

class Ring {
 public:
  // By the stores of a map that is valid: those that leave, or have no weight, own nothing.
  explicit Ring(const Map& map);

  [[nodiscard]] static unsigned partition_of(std::string_view name);
  // Places in Map::stores: the owners first, as many as there are parts of an object; then all
  // others in the order in which they stand in for an owner that is down; last those that own
  // nothing.
  [[nodiscard]] std::vector<unsigned> order_of(std::string_view name) const;
  [[nodiscard]] std::vector<unsigned> order_of_partition(unsigned partition) const;
  // How many partitions each store owns a part of.
  [[nodiscard]] const std::vector<unsigned>& loads() const { return loads_; }
  // How many it should, by its weight alone.
  [[nodiscard]] const std::vector<double>& fair_loads() const { return fair_; }

 private:
  struct Point {
    std::uint64_t at = 0;
    unsigned store = 0;
  };
  void place_stores(const Map& map);
  void share_out(const Map& map);
  [[nodiscard]] std::vector<unsigned> walk(unsigned partition) const;
  void choose(unsigned partition);

  unsigned width_ = 0;  // owners of a partition
  std::size_t stores_ = 0;
  std::size_t domains_ = 0;
  unsigned of_domain_max_ = 1;  // parts of an object
  std::vector<Point> points_;
  std::vector<unsigned> domain_of_;  // numbers of failure domains, by store
  std::vector<unsigned> idle_;       // own nothing
  std::vector<unsigned> loads_;
  std::vector<double> fair_;
  std::vector<std::uint8_t> orders_;  // stores_ places for each partition
};

}  // namespace backstay::backend::placement
