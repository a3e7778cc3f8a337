#include "engine/restore/limits.h"

#include <algorithm>
#include <thread>

namespace backstay::engine::restoring {

Limits limits_for(std::size_t threads, std::uint64_t memory_limit) {
  constexpr std::uint64_t kFull = 96u << 20;
  constexpr std::size_t kSmallest = 8;
  Limits limits;
  limits.threads = std::max<std::size_t>(threads, 1);
  if (memory_limit == 0 || memory_limit >= kFull) return limits;
  const std::size_t divisor = std::clamp<std::size_t>(
      static_cast<std::size_t>(kFull / std::max<std::uint64_t>(memory_limit, 1)), 2, kSmallest);
  limits.window_files /= divisor;
  limits.window_pieces /= divisor;
  limits.window_entry_bytes /= divisor;
  limits.read_ahead_bytes /= divisor;
  return limits;
}

std::size_t usual_threads(const backend::Backend& store, std::uint64_t memory_limit) {
  // A thread asks for a frame of about 1 MiB at a time: so many fill 1 Gbit/s at 100 ms. How many
  // of them ask at once is found as it runs (backend/transfer_tuner.h).
  constexpr std::size_t kOverNetwork = 16;
  // A sealed and a plain frame, of up to 4 MiB each, a decoder, a stage; and what all share.
  constexpr std::uint64_t kBytesOfThread = 10u << 20;
  constexpr std::uint64_t kShared = 40u << 20;
  const std::size_t processors = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const backend::Capabilities can = store.capabilities();
  if (!can.over_network) return processors;
  // While some ask, as many have something to decode and write.
  std::size_t most =
      can.transfers_max == 0 ? kOverNetwork : std::min(2 * can.transfers_max, kOverNetwork);
  if (memory_limit != 0)
    most = std::min(most, static_cast<std::size_t>((std::max(memory_limit, kShared) - kShared) /
                                                   kBytesOfThread));
  return std::max(processors, most);
}

Limits limits_over(const backend::Backend& store, std::size_t threads, std::uint64_t memory_limit) {
  return limits_for(threads != 0 ? threads : usual_threads(store, memory_limit), memory_limit);
}

}  // namespace backstay::engine::restoring
