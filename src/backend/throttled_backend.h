// A backend that takes its time: so many bytes a second up and down, around one that works.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>

#include "backend/forwarding_backend.h"
#include "backend/rate_schedule.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace backstay::backend {

struct Rates {
  RateSchedule upload = {};
  RateSchedule download = {};
};

// Sleeps, or does not where nobody has time to wait any more.
using Sleep = std::function<void(std::chrono::nanoseconds)>;

// Thread-safe. A call goes through whole, and the calls after it wait until its bytes are paid for:
// so the mean is kept however large an object is, and what was let through is never cut. Objects of
// up to 4 KiB go up at once: leases, which must not become too old behind a queue of packs. A
// barrier waits until all is paid for. When a time of day without a limit comes, debts are let off.
class ThrottledBackend final : public ForwardingBackend {
 public:
  // `clock` outlives this.
  ThrottledBackend(std::unique_ptr<Backend> inner, Rates rates, const Clock& clock, Sleep sleep);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;

 private:
  using Moment = std::chrono::steady_clock::time_point;
  // One direction.
  struct Lane {
    const RateSchedule schedule;
    Mutex mutex;
    Moment free_at GUARDED_BY(mutex);  // when all bytes so far are paid for
  };
  void pay_for_upload(std::uint64_t bytes);
  void wait_for_turn(Lane& lane, std::uint64_t bytes);
  // Of bytes whose number was not known before they came.
  void charge(Lane& lane, std::uint64_t bytes);
  void add_cost(Lane& lane, Moment now, std::uint64_t bytes) const REQUIRES(lane.mutex);

  const Clock& clock_;
  const Sleep sleep_;
  Lane upload_;
  Lane download_;
};

// Sleeps until a stop is requested: what is still to be stored then goes at full speed.
[[nodiscard]] Sleep sleep_unless(std::stop_token stop);

}  // namespace backstay::backend
