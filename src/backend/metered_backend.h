// A backend that counts what is asked of it, around one that does it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "backend/forwarding_backend.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace backstay::backend {

enum class Verb : std::uint8_t { kPut, kGet, kGetRange, kHead, kList, kRemove, kBarrier, kOther };
inline constexpr std::size_t kVerbs = 8;
// "put", "get", ...
[[nodiscard]] std::string_view to_string(Verb verb);

// Of one verb.
struct Meter {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;        // not_found is an answer like any other, and none
  std::uint64_t bytes = 0;           // of objects, stored or read by calls that succeeded
  std::chrono::nanoseconds time{0};  // added up over all threads
  std::chrono::nanoseconds time_max{0};
};
using Meters = std::array<Meter, kVerbs>;

// Thread-safe. A listing takes as long as whoever is told of the objects lets it.
class MeteredBackend final : public ForwardingBackend {
 public:
  // `clock` outlives this. `tell` is called when the backend goes.
  using Tell = std::function<void(const Meters&)>;
  MeteredBackend(std::unique_ptr<Backend> inner, const Clock& clock, Tell tell)
      : ForwardingBackend(std::move(inner)), clock_(clock), tell_(std::move(tell)) {}
  ~MeteredBackend() override;
  MeteredBackend(const MeteredBackend&) = delete;
  MeteredBackend& operator=(const MeteredBackend&) = delete;

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override;
  Result<void> adopt(std::string_view name) override;
  Result<void> adopt_names(std::string_view prefix) override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<void> retain(std::string_view name, Timestamp until) override;
  Result<std::optional<Timestamp>> retention(std::string_view name) override;
  Result<void> set_legal_hold(std::string_view name, LegalHold hold) override;
  Result<LegalHold> legal_hold(std::string_view name) override;
  Result<Timestamp> store_time() override;

  [[nodiscard]] Meters meters() const EXCLUDES(mutex_);

 private:
  template <typename Call>
  auto measured(Verb verb, std::uint64_t bytes, const Call& call) -> decltype(call());

  const Clock& clock_;
  const Tell tell_;
  mutable Mutex mutex_;
  Meters meters_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend
