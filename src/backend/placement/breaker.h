// A store that failed is left alone for a while: with others beside it nobody should wait for it
// again and again.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "backend/forwarding_backend.h"
#include "base/mutex.h"

namespace backstay::backend::placement {

// Thread-safe. After a call that was `unavailable` all calls are, for half a minute.
class Breaker final : public ForwardingBackend {
 public:
  Breaker(std::unique_ptr<Backend> inner, const Clock& clock)
      : ForwardingBackend(std::move(inner)), clock_(clock) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    return call([&] { return inner_.put(name, pieces); });
  }
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override {
    return call([&] { return inner_.put_streamed(name, bytes); });
  }
  Result<void> barrier() override {
    return call([&] { return inner_.barrier(); });
  }
  Result<void> adopt(std::string_view name) override {
    return call([&] { return inner_.adopt(name); });
  }
  Result<void> adopt_names(std::string_view prefix) override {
    return call([&] { return inner_.adopt_names(prefix); });
  }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    return call([&] { return inner_.get(name, size_max); });
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    return call([&] { return inner_.get_range(name, offset, out); });
  }
  Result<ObjectInfo> head(std::string_view name) override {
    return call([&] { return inner_.head(name); });
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override {
    return call([&] { return inner_.list(prefix, each); });
  }
  Result<void> remove(std::string_view name) override {
    return call([&] { return inner_.remove(name); });
  }
  Result<Timestamp> store_time() override {
    return call([&] { return inner_.store_time(); });
  }

 private:
  template <typename Call>
  auto call(const Call& inner) -> decltype(inner()) {
    {
      const MutexLock lock(mutex_);
      if (failure_ && clock_.monotonic() - failed_at_ < std::chrono::seconds(30))
        return std::unexpected(failure_->clone());
    }
    auto result = inner();
    if (result || result.error().code() != ErrorCode::kUnavailable) return result;
    const MutexLock lock(mutex_);
    failure_ = result.error().clone();
    failed_at_ = clock_.monotonic();
    return result;
  }

  const Clock& clock_;
  Mutex mutex_;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point failed_at_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::placement
