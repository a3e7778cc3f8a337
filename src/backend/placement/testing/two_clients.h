// Two clients of one placement, each with connections of its own: it is killed at any change, and
// while it is in the middle of a call the other one does something.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "backend/placement/testing/many_stores.h"
#include "base/mutex.h"

namespace backstay::backend::placement {

inline constexpr int kNever = 1 << 30;

// What may happen to a client at any of its requests.
class Life {
 public:
  void begin_anew(int changes, int calls, std::function<void()> meanwhile) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    changes_left_ = changes;
    calls_left_ = calls;
    dead_ = false;
    meanwhile_ = std::move(meanwhile);
  }
  // Nothing happens beside it any more.
  void end() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    meanwhile_ = nullptr;
  }
  [[nodiscard]] bool dead() const { return dead_; }

  enum class Call : std::uint8_t { kRead, kChange };
  Result<void> call(Call what) EXCLUDES(mutex_) {
    if (calls_left_.fetch_sub(1) == 0) {
      const MutexLock lock(mutex_);
      if (const auto run = std::exchange(meanwhile_, nullptr)) run();
    }
    if (what == Call::kChange && changes_left_.fetch_sub(1) <= 0) dead_ = true;
    if (dead_) return fail(ErrorCode::kCancelled, "the client was killed");
    return {};
  }

 private:
  Mutex mutex_;
  std::function<void()> meanwhile_ GUARDED_BY(mutex_);
  std::atomic<int> changes_left_ = kNever;
  std::atomic<int> calls_left_ = kNever;
  std::atomic<bool> dead_ = false;
};

class LivePlug final : public ForwardingBackend {
 public:
  LivePlug(std::unique_ptr<Backend> store, Life& life)
      : ForwardingBackend(std::move(store)), life_(life) {}
  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    TRY(life_.call(Life::Call::kChange));
    return inner_.put(name, pieces);
  }
  Result<void> barrier() override {
    TRY(life_.call(Life::Call::kRead));
    return inner_.barrier();
  }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    TRY(life_.call(Life::Call::kRead));
    return inner_.get(name, size_max);
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    TRY(life_.call(Life::Call::kRead));
    return inner_.get_range(name, offset, out);
  }
  Result<ObjectInfo> head(std::string_view name) override {
    TRY(life_.call(Life::Call::kRead));
    return inner_.head(name);
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override {
    TRY(life_.call(Life::Call::kRead));
    return inner_.list(prefix, each);
  }
  Result<void> remove(std::string_view name) override {
    TRY(life_.call(Life::Call::kChange));
    return inner_.remove(name);
  }

 private:
  Life& life_;
};

// Time goes on by itself, and may be turned.
class SteppedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override {
    Timestamp time = clock_.now();
    time.seconds += turned_seconds_;
    return time;
  }
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override {
    return clock_.monotonic() + std::chrono::seconds(turned_seconds_);
  }
  void turn(std::int64_t seconds) { turned_seconds_ += seconds; }

 private:
  SystemClock clock_;
  std::atomic<std::int64_t> turned_seconds_ = 0;
};

struct TestClient {
  explicit TestClient(std::uint64_t seed) : rng(seed) {}
  Life life;
  SeededRng rng;
  std::unique_ptr<PlacementBackend> backend;

  [[nodiscard]] StoreOpener opener(ManyStores& many) {
    return
        [this, open = many.opener()](const std::string& name) -> Result<std::unique_ptr<Backend>> {
          TRY(life.call(Life::Call::kRead));
          return std::make_unique<LivePlug>(TRY(open(name)), life);
        };
  }
  Result<void> open(ManyStores& many, const Clock& clock) {
    backend.reset();
    backend = TRY(PlacementBackend::open(many.file(), opener(many), "test.yaml", {clock, rng}));
    return {};
  }
};

}  // namespace backstay::backend::placement
