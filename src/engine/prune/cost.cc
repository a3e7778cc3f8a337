// What a collection will cost and give, before it begins.
#include <fmt/format.h>

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

// What the plan gives up goes at once when nobody else is at work, and later otherwise.
Result<PruneCost> PruneRun::cost() {
  PruneCost cost{.packs_dropped = plan_.drop.size(),
                 .packs_repacked = plan_.repack.size() + plan_.rescue.size(),
                 .bytes_read = TRY(bytes_to_read()),
                 .bytes_written = plan_.repack_needed_bytes,
                 .parity = {}};
  std::unordered_set<repo::ObjectId> going;
  for (const std::uint32_t number : TRY(packs_to_free())) {
    const repo::Index::Pack& pack = table_.packs()[number].pack;
    cost.bytes_freed += pack.size_bytes;
    going.insert(pack.id);
  }
  const bool at_once = !others_are_at_work();
  for (const auto* packs : {&plan_.drop, &plan_.repack}) {
    for (const std::uint32_t number : *packs) {
      const repo::Index::Pack& pack = table_.packs()[number].pack;
      (at_once ? cost.bytes_freed : cost.bytes_later) += pack.size_bytes;
      if (at_once) going.insert(pack.id);
    }
  }
  for (std::uint32_t number = 0; number < table_.packs().size(); ++number) {
    const repo::PackUse& use = table_.packs()[number];
    const bool waits =
        use.condemned_in != 0 && use.stored && !locked_.contains(number) && !may_go(number);
    if (waits) cost.bytes_later += use.pack.size_bytes;
  }
  if (!going.empty() || cost.bytes_written > 0) {
    cost.parity = TRY(
        parity_traffic_of_prune(parity_place(repository_), going, cost.bytes_written, activity_));
  }
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
