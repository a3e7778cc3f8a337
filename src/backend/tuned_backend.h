// A backend that lets as many transfers go at once as its line and its store can use, around one
// that makes them.
#pragma once

#include <functional>
#include <memory>

#include "backend/forwarding_backend.h"
#include "backend/transfer_tuner.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace backstay::backend {

// Thread-safe. What is put and what is read have a number each, found by a TransferTuner; callers
// beyond it wait. So whoever calls from more threads than a line can use loses nothing by it, and
// how many threads there are bounds memory and nothing else. Objects of up to 4 KiB go up at once:
// a lease must not wait behind packs. It stands below what tries again, so that a pause takes
// nobody's place and every failure is seen.
//
// put_streamed() may read from the same store meanwhile; nothing that reads may put.
class TunedBackend final : public ForwardingBackend {
 public:
  struct Limits {
    TransferTuner::Options up;
    TransferTuner::Options down;
  };
  struct Summary {
    TransferTuner::Summary up;
    TransferTuner::Summary down;
  };
  // Called when the backend goes.
  using Tell = std::function<void(const Backend& store, const Summary&)>;
  // `clock` outlives this.
  TunedBackend(std::unique_ptr<Backend> inner, const Limits& limits, const Clock& clock, Tell tell)
      : ForwardingBackend(std::move(inner)),
        clock_(clock),
        tell_(std::move(tell)),
        up_(limits.up),
        down_(limits.down) {}
  ~TunedBackend() override;
  TunedBackend(const TunedBackend&) = delete;
  TunedBackend& operator=(const TunedBackend&) = delete;

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;

  [[nodiscard]] Summary summary() const;

 private:
  // One direction.
  struct Lane {
    explicit Lane(const TransferTuner::Options& options) : tuner(options) {}
    mutable Mutex mutex;
    CondVar changed;
    TransferTuner tuner GUARDED_BY(mutex);
  };
  template <typename Call>
  Result<void> in_turn(Lane& lane, std::uint64_t bytes, const Call& call);

  const Clock& clock_;
  const Tell tell_;
  Lane up_;
  Lane down_;
};

}  // namespace backstay::backend
