#include "backend/tuned_backend.h"

#include "base/byte_size.h"

namespace backstay::backend {
namespace {

constexpr std::uint64_t kNeverInTurn = 4 * kKiB;

TransferTuner::Outcome outcome_of(const Result<void>& done) {
  if (done || !done.error().retryable()) return TransferTuner::Outcome::kDone;
  return done.error().retry_after_ms() > 0 ? TransferTuner::Outcome::kSlowDown
                                           : TransferTuner::Outcome::kFailed;
}

}  // namespace

TunedBackend::~TunedBackend() {
  if (tell_) tell_(*this, summary());
}

TunedBackend::Summary TunedBackend::summary() const {
  Summary summary;
  {
    const MutexLock lock(up_.mutex);
    summary.up = up_.tuner.summary();
  }
  const MutexLock lock(down_.mutex);
  summary.down = down_.tuner.summary();
  return summary;
}

template <typename Call>
Result<void> TunedBackend::in_turn(Lane& lane, std::uint64_t bytes, const Call& call) {
  TransferTuner::Ticket ticket;
  {
    const MutexLock lock(lane.mutex);
    while (lane.tuner.under_way() >= lane.tuner.allowed()) lane.changed.wait(lane.mutex);
    ticket = lane.tuner.begin(clock_.monotonic());
  }
  Result<void> done = call();
  const MutexLock lock(lane.mutex);
  lane.tuner.end(ticket, done ? bytes : 0, outcome_of(done), clock_.monotonic());
  // More than one may go now: the number may have risen.
  lane.changed.notify_all();
  return done;
}

Result<void> TunedBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  std::uint64_t bytes = 0;
  for (const ByteView piece : pieces) bytes += piece.size();
  if (bytes <= kNeverInTurn) return inner_.put(name, pieces);
  return in_turn(up_, bytes, [&] { return inner_.put(name, pieces); });
}

Result<void> TunedBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  if (bytes.size <= kNeverInTurn) return inner_.put_streamed(name, bytes);
  return in_turn(up_, bytes.size, [&] { return inner_.put_streamed(name, bytes); });
}

Result<void> TunedBackend::get_range(std::string_view name, std::uint64_t offset,
                                     MutableByteView out) {
  return in_turn(down_, out.size(), [&] { return inner_.get_range(name, offset, out); });
}

}  // namespace backstay::backend
