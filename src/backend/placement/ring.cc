#include "backend/placement/ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/assert.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {
namespace {

constexpr double kPointsOfAverageStore = 256;
constexpr double kOverload = 1.05;

std::uint64_t hash_of(std::string_view text) {
  return load_le<std::uint64_t>(crypto::blake3(as_bytes(text)).bytes.data());
}

bool owns(const MapStore& store) {
  return store.weight > 0 && store.membership != Membership::kLeaving;
}

// Stores without a domain are domains of their own; no name of a domain has a slash.
std::string domain_of(const MapStore& store) {
  return store.domain.empty() ? "/" + store.name : store.domain;
}

}  // namespace

unsigned parts_in_a_domain(const Map& map) {
  std::map<std::string, unsigned> stores_in;
  unsigned usable = 0;
  for (const MapStore& store : map.stores) {
    if (!owns(store)) continue;
    ++stores_in[domain_of(store)];
    ++usable;
  }
  const unsigned width = std::min(map.redundancy.width(), usable);
  for (unsigned most = 1;; ++most) {
    unsigned room = 0;
    for (const auto& [domain, stores] : stores_in) room += std::min(stores, most);
    if (room >= width) return most;
  }
}

Result<void> check_domains(const Map& map) {
  const Redundancy& redundancy = map.redundancy;
  const unsigned most = parts_in_a_domain(map);
  if (redundancy.data == 1 || most <= redundancy.parity) return {};
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            fmt::format("of {} one failure domain would hold {}, and {} may be lost",
                        describe(redundancy), most, redundancy.parity))
          .with_hint("Add stores in other domains, or ask for more parity."));
}

unsigned Ring::partition_of(std::string_view name) {
  return static_cast<unsigned>(hash_of(name) % kPartitions);
}

Ring::Ring(const Map& map) : stores_(map.stores.size()), loads_(stores_), fair_(stores_) {
  ASSERT(stores_ <= kStoresMax);
  place_stores(map);
  std::vector<std::string> domains;
  unsigned usable = 0;
  domain_of_.resize(stores_);
  for (unsigned i = 0; i < stores_; ++i) {
    const MapStore& store = map.stores[i];
    if (!owns(store)) continue;
    ++usable;
    const auto known = std::ranges::find(domains, domain_of(store));
    domain_of_[i] = static_cast<unsigned>(known - domains.begin());
    if (known == domains.end()) domains.push_back(domain_of(store));
  }
  domains_ = domains.size();
  width_ = std::min(map.redundancy.width(), usable);
  const unsigned bearable = map.redundancy.data > 1 ? map.redundancy.parity : 1;
  of_domain_max_ = std::max(bearable, parts_in_a_domain(map));
  share_out(map);
  orders_.reserve(kPartitions * stores_);
  for (unsigned partition = 0; partition < kPartitions; ++partition) choose(partition);
}

// The points depend on a store's id, not on its name, so that a new store under an old name does
// not take over what that had.
void Ring::place_stores(const Map& map) {
  double weight = 0;
  unsigned count = 0;
  for (const MapStore& store : map.stores) {
    if (!owns(store)) continue;
    weight += store.weight;
    ++count;
  }
  for (unsigned i = 0; i < stores_; ++i) {
    const MapStore& store = map.stores[i];
    if (!owns(store)) {
      idle_.push_back(i);
      continue;
    }
    const double points = kPointsOfAverageStore * store.weight * count / weight;
    const std::string id = store.id.hex();
    for (unsigned n = 0; n < std::max(1.0, std::round(points)); ++n)
      points_.push_back({hash_of(fmt::format("{}/{}", id, n)), i});
  }
  std::ranges::sort(points_, [](const Point& a, const Point& b) {
    return a.at != b.at ? a.at < b.at : a.store < b.store;
  });
}

// By weight, but no store has more than one part of an object: what would be beyond that falls to
// the others.
void Ring::share_out(const Map& map) {
  std::vector<unsigned> open;
  for (unsigned i = 0; i < stores_; ++i) {
    if (owns(map.stores[i])) open.push_back(i);
  }
  double rest = static_cast<double>(kPartitions) * width_;
  while (!open.empty()) {
    double weight = 0;
    for (const unsigned i : open) weight += map.stores[i].weight;
    const auto is_over = [&](unsigned i) {
      return map.stores[i].weight / weight * rest > kPartitions;
    };
    std::vector<unsigned> within;
    unsigned over = 0;
    for (const unsigned i : open) {
      fair_[i] = is_over(i) ? kPartitions : map.stores[i].weight / weight * rest;
      if (is_over(i))
        ++over;
      else
        within.push_back(i);
    }
    if (over == 0) return;
    rest -= static_cast<double>(kPartitions) * over;
    open = std::move(within);
  }
}

std::vector<unsigned> Ring::walk(unsigned partition) const {
  const std::uint64_t from = hash_of(fmt::format("partition {}", partition));
  const auto first = std::ranges::lower_bound(points_, from, {}, &Point::at) - points_.begin();
  std::vector<unsigned> met;
  std::uint64_t seen = 0;
  const std::size_t owners = stores_ - idle_.size();
  for (std::size_t step = 0; step < points_.size() && met.size() < owners; ++step) {
    const unsigned store = points_[(static_cast<std::size_t>(first) + step) % points_.size()].store;
    if ((seen >> store & 1) != 0) continue;
    seen |= std::uint64_t{1} << store;
    met.push_back(store);
  }
  return met;
}

void Ring::choose(unsigned partition) {
  const std::vector<unsigned> met = walk(partition);
  std::vector<unsigned> order;
  std::uint64_t taken = 0;
  std::vector<unsigned> in_domain(domains_);
  enum class Load : std::uint8_t { kWithinShare, kAny };
  const auto take = [&](Load load, unsigned of_domain_max) {
    for (const unsigned i : met) {
      if (order.size() >= width_) return;
      if ((taken >> i & 1) != 0 || in_domain[domain_of_[i]] >= of_domain_max) continue;
      const bool full = loads_[i] >= std::min<double>(kPartitions, fair_[i] * kOverload + 1);
      if (load == Load::kWithinShare && full) continue;
      order.push_back(i);
      taken |= std::uint64_t{1} << i;
      ++in_domain[domain_of_[i]];
      ++loads_[i];
    }
  };
  // Rather too much on one store than too many parts in one domain.
  for (unsigned most = 1; most <= of_domain_max_; ++most) take(Load::kWithinShare, most);
  take(Load::kAny, of_domain_max_);
  for (const unsigned i : met) {
    if ((taken >> i & 1) == 0) order.push_back(i);
  }
  for (const unsigned i : idle_) order.push_back(i);
  for (const unsigned i : order) orders_.push_back(static_cast<std::uint8_t>(i));
}

std::vector<unsigned> Ring::order_of(std::string_view name) const {
  return order_of_partition(partition_of(name));
}

std::vector<unsigned> Ring::order_of_partition(unsigned partition) const {
  const auto begin = orders_.begin() + static_cast<std::ptrdiff_t>(partition * stores_);
  return {begin, begin + static_cast<std::ptrdiff_t>(stores_)};
}

}  // namespace backstay::backend::placement
