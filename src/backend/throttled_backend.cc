#include "backend/throttled_backend.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::backend {
namespace {

// A lease must be renewed in time, however many packs wait for their turn. What it costs is paid by
// those after it.
constexpr std::uint64_t kNeverWaits = 4 * kKiB;

}  // namespace

ThrottledBackend::ThrottledBackend(std::unique_ptr<Backend> inner, Rates rates, const Clock& clock,
                                   Sleep sleep)
    : ForwardingBackend(std::move(inner)),
      clock_(clock),
      sleep_(std::move(sleep)),
      upload_{.schedule = std::move(rates.upload), .mutex = {}, .free_at = {}},
      download_{.schedule = std::move(rates.download), .mutex = {}, .free_at = {}} {}

void ThrottledBackend::wait_for_turn(Lane& lane, std::uint64_t bytes) {
  if (lane.schedule.never_limits()) return;
  std::chrono::nanoseconds pause{0};
  {
    const MutexLock lock(lane.mutex);
    const Moment now = clock_.monotonic();
    if (lane.schedule.at(clock_.now()) == 0) {
      lane.free_at = now;
      return;
    }
    pause = std::max(lane.free_at - now, Moment::duration::zero());
    add_cost(lane, now, bytes);
  }
  if (pause.count() > 0) sleep_(pause);
}

void ThrottledBackend::charge(Lane& lane, std::uint64_t bytes) {
  if (lane.schedule.never_limits()) return;
  const MutexLock lock(lane.mutex);
  add_cost(lane, clock_.monotonic(), bytes);
}

void ThrottledBackend::add_cost(Lane& lane, Moment now, std::uint64_t bytes) const {
  const std::uint64_t rate = lane.schedule.at(clock_.now());
  if (rate == 0) return;
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(rate));
  lane.free_at = std::max(lane.free_at, now) + std::chrono::duration_cast<Moment::duration>(cost);
}

Result<void> ThrottledBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  std::uint64_t bytes = 0;
  for (const ByteView piece : pieces) bytes += piece.size();
  pay_for_upload(bytes);
  return inner_.put(name, pieces);
}

Result<void> ThrottledBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  pay_for_upload(bytes.size);
  return inner_.put_streamed(name, bytes);
}

void ThrottledBackend::pay_for_upload(std::uint64_t bytes) {
  if (bytes <= kNeverWaits) {
    charge(upload_, bytes);
  } else {
    wait_for_turn(upload_, bytes);
  }
}

Result<void> ThrottledBackend::barrier() {
  wait_for_turn(upload_, 0);
  return inner_.barrier();
}

Result<Bytes> ThrottledBackend::get(std::string_view name, std::uint64_t size_max) {
  wait_for_turn(download_, 0);
  Bytes bytes = TRY(inner_.get(name, size_max));
  charge(download_, bytes.size());
  return bytes;
}

Result<void> ThrottledBackend::get_range(std::string_view name, std::uint64_t offset,
                                         MutableByteView out) {
  wait_for_turn(download_, out.size());
  return inner_.get_range(name, offset, out);
}

Sleep sleep_unless(std::stop_token stop) {
  return [stop = std::move(stop)](std::chrono::nanoseconds pause) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, pause, [] { return false; });
  };
}

}  // namespace backstay::backend
