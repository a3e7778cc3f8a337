// What a collection will cost and give, before it begins.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <vector>

#include "base/byte_size.h"
#include "base/try.h"
#include "engine/parity.h"
#include "engine/prune/prune_run.h"

namespace backstay::engine::prune_stages {

namespace {

// Frames that were met, told apart by a hash in a field of 8 MiB: of five million some four in a
// hundred are taken for others.
class FramesMet {
 public:
  // False when it was met before.
  bool add(const repo::FrameLocation& frame) {
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
    const std::uint64_t hash =
        (std::hash<repo::ObjectId>{}(frame.pack) ^ (frame.offset * kOdd)) * kOdd >> (64 - kBitsLog);
    const std::uint64_t bit = std::uint64_t{1} << hash % 64;
    std::uint64_t& word = words_[static_cast<std::size_t>(hash / 64)];
    if ((word & bit) != 0) return false;
    word |= bit;
    return true;
  }

 private:
  static constexpr unsigned kBitsLog = 26;
  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>((std::size_t{1} << kBitsLog) / 64);
};

class FrameBytes {
 public:
  void add(const repo::ChunkLocation& at) {
    if (met_.add(at.frame)) sum_ += at.frame.sealed_length;
  }
  [[nodiscard]] std::uint64_t sum() const { return sum_; }

 private:
  FramesMet met_;
  std::uint64_t sum_ = 0;
};

}  // namespace

// Whole frames are read, of what is stored again, and of what is relied on elsewhere instead.
Result<std::uint64_t> PruneRun::bytes_to_read() {
  std::unordered_set<std::uint32_t> copied(plan_.repack.begin(), plan_.repack.end());
  copied.insert(plan_.rescue.begin(), plan_.rescue.end());
  std::uint64_t sum = 0;
  for (const std::uint32_t number : copied) {
    const repo::PackUse& use = table_.packs()[number];
    sum += use.pack.size_bytes - std::min(use.pack.size_bytes, use.sealed_bytes);  // its directory
  }
  if (!copied.empty()) {
    FrameBytes frames;
    liveness_->for_each_needed(copied, [&](const auto& at) { frames.add(at); });
    sum += frames.sum();
  }
  std::unordered_set<std::uint32_t> given_up(plan_.drop.begin(), plan_.drop.end());
  given_up.insert(plan_.repack.begin(), plan_.repack.end());
  if (given_up.empty()) return sum;
  FrameBytes frames;
  TRY(liveness_->for_each_elsewhere(given_up, [&](const auto&, const auto& at) -> Result<void> {
    frames.add(at);
    return {};
  }));
  return sum + frames.sum();
}

// Those that were ended are named as that by the next generation, and hold nothing from then on.
std::uint64_t PruneRun::oldest_lease_that_stands() const {
  std::uint64_t oldest = kNoLease;
  for (const repo::ListedLease& lease : others_) {
    if (!lease.ended && !was_ended(lease)) oldest = std::min(oldest, lease.record.generation);
  }
  return oldest;
}

// Given up by an earlier run, and would be removed by this one.
bool PruneRun::would_go(std::uint32_t number) const {
  const repo::PackUse& use = table_.packs()[number];
  const bool rescued = std::ranges::find(plan_.rescue, number) != plan_.rescue.end();
  return use.stored && use.condemned_in != 0 && use.condemned_in <= oldest_lease_that_stands() &&
         (is_unneeded(number) || rescued) && !may_hold_missing(use);
}

std::uint64_t PruneRun::bytes_given_up() const {
  std::uint64_t sum = 0;
  for (const auto* packs : {&plan_.drop, &plan_.repack}) {
    for (const std::uint32_t number : *packs) sum += table_.packs()[number].pack.size_bytes;
  }
  return sum;
}

// A collection does not depend on knowing it.
Result<ParityTraffic> PruneRun::parity_cost(const std::unordered_set<repo::ObjectId>& going,
                                            std::uint64_t bytes_stored) {
  if (going.empty() && bytes_stored == 0) return ParityTraffic{};
  auto traffic = parity_traffic_of_prune(parity_place(repository_), going, bytes_stored, activity_);
  if (traffic || traffic.error().code() == ErrorCode::kCancelled) return traffic;
  activity_.note("what parity will cost is not known: " + traffic.error().describe());
  return ParityTraffic{};
}

// What the plan gives up goes at once when nobody else is at work, and later otherwise. Of what
// waits a dry run asks whether the store keeps it locked; a run asks when it removes it.
Result<PruneCost> PruneRun::cost() {
  PruneCost cost{.packs_dropped = plan_.drop.size(),
                 .packs_repacked = plan_.repack.size() + plan_.rescue.size(),
                 .bytes_read = TRY(bytes_to_read()),
                 .bytes_written = plan_.repack_needed_bytes,
                 .parity = {}};
  std::unordered_set<repo::ObjectId> going;
  for (std::uint32_t number = 0; number < table_.packs().size(); ++number) {
    const repo::PackUse& use = table_.packs()[number];
    if (use.condemned_in == 0 || !use.stored || locked_.contains(number)) continue;
    if (!would_go(number)) {
      cost.bytes_later += use.pack.size_bytes;
      continue;
    }
    if (options_.dry_run && TRY(is_locked(number))) continue;
    cost.bytes_freed += use.pack.size_bytes;
    going.insert(use.pack.id);
  }
  const bool at_once = oldest_lease_that_stands() == kNoLease;
  (at_once ? cost.bytes_freed : cost.bytes_later) += bytes_given_up();
  if (at_once) {
    for (const auto* packs : {&plan_.drop, &plan_.repack}) {
      for (const std::uint32_t number : *packs) going.insert(table_.packs()[number].pack.id);
    }
  }
  cost.parity = TRY(parity_cost(going, cost.bytes_written));
  return cost;
}

void PruneRun::announce(const PruneCost& cost) {
  if (cost.bytes_freed + cost.bytes_later + cost.bytes_written == 0) return;
  std::string text =
      fmt::format("planned, about: {} freed now, {} later; {} read and {} written for it",
                  format_byte_size(cost.bytes_freed), format_byte_size(cost.bytes_later),
                  format_byte_size(cost.bytes_read), format_byte_size(cost.bytes_written));
  if (cost.parity.bytes_read + cost.parity.bytes_written > 0) {
    text +=
        fmt::format("; {} read and {} written for parity", format_byte_size(cost.parity.bytes_read),
                    format_byte_size(cost.parity.bytes_written));
  }
  activity_.note(text);
}

}  // namespace backstay::engine::prune_stages
