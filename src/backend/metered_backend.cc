#include "backend/metered_backend.h"

#include <algorithm>

namespace backstay::backend {
namespace {

std::uint64_t size_of(std::span<const ByteView> pieces) {
  std::uint64_t size = 0;
  for (const ByteView piece : pieces) size += piece.size();
  return size;
}

}  // namespace

std::string_view to_string(Verb verb) {
  constexpr std::array<std::string_view, kVerbs> kNames{"put",  "get",    "get_range", "head",
                                                        "list", "remove", "barrier",   "other"};
  return kNames[static_cast<std::size_t>(verb)];
}

MeteredBackend::~MeteredBackend() {
  if (tell_) tell_(meters());
}

Meters MeteredBackend::meters() const {
  const MutexLock lock(mutex_);
  return meters_;
}

template <typename Call>
auto MeteredBackend::measured(Verb verb, std::uint64_t bytes, const Call& call)
    -> decltype(call()) {
  const auto begun = clock_.monotonic();
  auto done = call();
  const std::chrono::nanoseconds time = clock_.monotonic() - begun;
  const MutexLock lock(mutex_);
  Meter& meter = meters_[static_cast<std::size_t>(verb)];
  ++meter.calls;
  if (done) meter.bytes += bytes;
  if (!done && done.error().code() != ErrorCode::kNotFound) ++meter.failures;
  meter.time += time;
  meter.time_max = std::max(meter.time_max, time);
  return done;
}

Result<void> MeteredBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return measured(Verb::kPut, size_of(pieces), [&] { return inner_.put(name, pieces); });
}

Result<void> MeteredBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  return measured(Verb::kPut, bytes.size, [&] { return inner_.put_streamed(name, bytes); });
}

Result<void> MeteredBackend::barrier() {
  return measured(Verb::kBarrier, 0, [&] { return inner_.barrier(); });
}

Result<void> MeteredBackend::adopt(std::string_view name) {
  return measured(Verb::kOther, 0, [&] { return inner_.adopt(name); });
}

Result<void> MeteredBackend::adopt_names(std::string_view prefix) {
  return measured(Verb::kOther, 0, [&] { return inner_.adopt_names(prefix); });
}

Result<Bytes> MeteredBackend::get(std::string_view name, std::uint64_t size_max) {
  Result<Bytes> bytes = measured(Verb::kGet, 0, [&] { return inner_.get(name, size_max); });
  if (!bytes) return bytes;
  const MutexLock lock(mutex_);
  meters_[static_cast<std::size_t>(Verb::kGet)].bytes += bytes->size();
  return bytes;
}

Result<void> MeteredBackend::get_range(std::string_view name, std::uint64_t offset,
                                       MutableByteView out) {
  return measured(Verb::kGetRange, out.size(), [&] { return inner_.get_range(name, offset, out); });
}

Result<ObjectInfo> MeteredBackend::head(std::string_view name) {
  return measured(Verb::kHead, 0, [&] { return inner_.head(name); });
}

Result<void> MeteredBackend::list(std::string_view prefix,
                                  const std::function<Result<void>(const ObjectInfo&)>& each) {
  return measured(Verb::kList, 0, [&] { return inner_.list(prefix, each); });
}

Result<void> MeteredBackend::remove(std::string_view name) {
  return measured(Verb::kRemove, 0, [&] { return inner_.remove(name); });
}

Result<void> MeteredBackend::retain(std::string_view name, Timestamp until) {
  return measured(Verb::kOther, 0, [&] { return inner_.retain(name, until); });
}

Result<std::optional<Timestamp>> MeteredBackend::retention(std::string_view name) {
  return measured(Verb::kOther, 0, [&] { return inner_.retention(name); });
}

Result<void> MeteredBackend::set_legal_hold(std::string_view name, LegalHold hold) {
  return measured(Verb::kOther, 0, [&] { return inner_.set_legal_hold(name, hold); });
}

Result<LegalHold> MeteredBackend::legal_hold(std::string_view name) {
  return measured(Verb::kOther, 0, [&] { return inner_.legal_hold(name); });
}

Result<Timestamp> MeteredBackend::store_time() {
  return measured(Verb::kOther, 0, [&] { return inner_.store_time(); });
}

}  // namespace backstay::backend
