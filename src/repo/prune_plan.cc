#include "repo/prune_plan.h"

#include <algorithm>

namespace backstay::repo {

namespace {

std::uint64_t unused_bytes_of(const PackUse& use) {
  return use.pack.size_bytes - needed_bytes_of(use);
}

// Those that give most for what has to be copied come first.
bool gives_more(const PackUse& a, const PackUse& b) {
  const auto cost = [](const PackUse& use) {
    return static_cast<double>(needed_bytes_of(use)) /
           static_cast<double>(std::max<std::uint64_t>(1, unused_bytes_of(use)));
  };
  return cost(a) < cost(b);
}

class Planner {
 public:
  Planner(const PackTable& table, const PruneLimits& limits) : table_(table), limits_(limits) {}

  PrunePlan plan(Strays strays) {
    for (std::uint32_t number = 0; number < table_.packs().size(); ++number)
      sort_in(number, strays);
    choose_small();
    std::ranges::sort(partly_, [&](std::uint32_t a, std::uint32_t b) {
      const PackUse& one = table_.packs()[a];
      const PackUse& other = table_.packs()[b];
      return gives_more(one, other) || (!gives_more(other, one) && a < b);
    });
    const auto unused_max = static_cast<std::uint64_t>(limits_.unused_share_max *
                                                       static_cast<double>(plan_.needed_bytes));
    for (const std::uint32_t number : partly_) {
      if (plan_.unused_bytes <= unused_max) break;
      if (!fits(number)) continue;
      plan_.unused_bytes -= std::min(plan_.unused_bytes, unused_bytes_of(table_.packs()[number]));
      repack(number, plan_.repack);
    }
    return std::move(plan_);
  }

 private:
  void sort_in(std::uint32_t number, Strays strays) {
    const PackUse& use = table_.packs()[number];
    plan_.needed_bytes += needed_bytes_of(use);
    if (!use.stored) return;
    if (use.condemned_in != 0) {
      if (use.places_needed > 0) repack(number, plan_.rescue);
      return;
    }
    const bool may_go = !use.young && (use.in_index || strays == Strays::kMayGo);
    if (use.places_needed == 0 && may_go) {
      plan_.drop.push_back(number);
      plan_.drop_bytes += use.pack.size_bytes;
      return;
    }
    if (!use.in_index) return;
    plan_.unused_bytes += unused_bytes_of(use);
    // What is damaged is kept as it is: readers find what is whole in it.
    if (use.young || !use.trusted() || use.places_needed == 0) return;
    if (unused_bytes_of(use) > 0) partly_.push_back(number);
    const std::uint64_t small =
        use.pack.kind == PackKind::kData ? limits_.small_data_bytes : limits_.small_meta_bytes;
    if (use.pack.size_bytes < small) small_.push_back(number);
  }

  void choose_small() {
    for (const PackKind kind : {PackKind::kData, PackKind::kMeta}) {
      std::vector<std::uint32_t> chosen;
      for (const std::uint32_t number : small_) {
        if (table_.packs()[number].pack.kind == kind) chosen.push_back(number);
      }
      if (chosen.size() < 2) continue;
      for (const std::uint32_t number : chosen) {
        if (!fits(number)) continue;
        std::erase(partly_, number);
        plan_.unused_bytes -= std::min(plan_.unused_bytes, unused_bytes_of(table_.packs()[number]));
        repack(number, plan_.repack);
      }
    }
  }

  [[nodiscard]] bool fits(std::uint32_t number) const {
    return !limits_.repack_bytes_max ||
           plan_.repack_bytes + table_.packs()[number].pack.size_bytes <= *limits_.repack_bytes_max;
  }

  void repack(std::uint32_t number, std::vector<std::uint32_t>& into) {
    const PackUse& use = table_.packs()[number];
    into.push_back(number);
    plan_.repack_bytes += use.pack.size_bytes;
    plan_.repack_needed_bytes += needed_bytes_of(use);
  }

  const PackTable& table_;
  const PruneLimits& limits_;
  PrunePlan plan_;
  std::vector<std::uint32_t> partly_;
  std::vector<std::uint32_t> small_;
};

}  // namespace

// That all of it is needed is known exactly, a part only about: what chunks of one frame take is
// reckoned by their plaintext.
std::uint64_t needed_bytes_of(const PackUse& use) {
  if (use.places_needed == 0) return 0;
  if (use.raw_needed >= use.raw_bytes) return use.pack.size_bytes;
  const double share = static_cast<double>(use.sealed_needed) /
                       static_cast<double>(std::max<std::uint64_t>(1, use.sealed_bytes));
  return std::min(use.pack.size_bytes,
                  static_cast<std::uint64_t>(share * static_cast<double>(use.pack.size_bytes)));
}

PrunePlan plan_prune(const PackTable& table, const PruneLimits& limits, Strays strays) {
  return Planner(table, limits).plan(strays);
}

}  // namespace backstay::repo
