// A backend that asks again when the store fails for now, around one that does not.
//
// Pauses double and are drawn evenly between nothing and their bound ("full jitter", see Marc
// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that many who failed
// at the same moment do not come back at the same moment. Calls that are repeated are also paced
// over all threads: a store in trouble sees at most `burst` of them and one every `refill` after
// that, however many calls wait.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "backend/forwarding_backend.h"
#include "backend/throttled_backend.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"

namespace backstay::backend {

struct RetryPolicy {
  int attempts_max = 12;                           // of one call, the first included
  std::chrono::milliseconds pause_first_max{250};  // doubles with every attempt
  std::chrono::milliseconds pause_max{60'000};
  std::chrono::milliseconds time_max{900'000};  // no attempt begins later than this after the first
  int burst = 32;
  std::chrono::milliseconds refill{500};
};

// Thread-safe. Only `unavailable` is tried again, and nothing is once a stop was requested. What
// the store says of how long it wants to be left alone is kept to.
//
// An answer that is lost may have been "done". So:
// - put: where a later attempt finds the name taken, the object there is read back, and is ours
//   only when all its bytes are. Somebody else's stays already_exists.
// - list: a name is given once, however often the listing begins anew (this takes 32 bytes a name).
// - what the caller himself fails with (a stream's source, list's `each`) is his, and not retried.
class RetryBackend final : public ForwardingBackend {
 public:
  // Called before each pause, from the thread that waits.
  using Note = std::function<void(const Error&, std::chrono::nanoseconds pause)>;
  struct World {
    const Clock& clock;  // outlives the backend, as does rng
    Rng& rng;
    Sleep sleep;  // ends early when `stop` is requested
    std::stop_token stop;
    Note note;  // may be empty
  };

  RetryBackend(std::unique_ptr<Backend> inner, const RetryPolicy& policy, World world);

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
  Result<void> set_append_only(AppendOnly mode) override;
  Result<Keeping> keeping() override;
  // replace() is not tried again: whether one that was not answered was carried out is not to be
  // told by what is there afterwards.
  Result<std::string> mark(std::string_view name) override;
  Result<Answer> versions() override;
  Result<Timestamp> store_time() override;

 private:
  using Moment = std::chrono::steady_clock::time_point;
  using Pause = std::chrono::nanoseconds;

  // `caller_failed` turns true when the failure is not the store's.
  template <typename Call>
  auto until_answered(const Call& call, const bool& caller_failed) -> decltype(call());
  template <typename Call>
  auto until_answered(const Call& call) -> decltype(call());
  // Nothing when the budget is spent.
  std::optional<Pause> pause_after(int attempt, Moment started, const Error& error)
      EXCLUDES(mutex_);
  Pause take_turn(Moment now) EXCLUDES(mutex_);
  // Puts by `attempt`, and judges what it says by what an attempt before it may have done.
  template <typename Attempt>
  Result<void> create(std::string_view name, const StreamedBytes& bytes, const Attempt& attempt,
                      const bool& caller_failed);
  Result<bool> holds(std::string_view name, const StreamedBytes& bytes);

  const RetryPolicy policy_;
  const World world_;
  Mutex mutex_;
  Moment next_turn_ GUARDED_BY(mutex_) = Moment::min();  // all turns are saved up
};

}  // namespace backstay::backend
