#include "backend/retry_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::backend {
namespace {

// Of an object that is read back to be compared.
constexpr std::size_t kComparedAtOnce = 1024 * 1024;

constexpr bool kNeverTheCallers = false;

}  // namespace

RetryBackend::RetryBackend(std::unique_ptr<Backend> inner, const RetryPolicy& policy, World world)
    : ForwardingBackend(std::move(inner)), policy_(policy), world_(std::move(world)) {}

// One turn every `refill`, of which up to `burst` may be saved up: what is kept is only when the
// next turn falls due, and that is never longer ago than what may be saved.
RetryBackend::Pause RetryBackend::take_turn(Moment now) {
  const MutexLock lock(mutex_);
  next_turn_ = std::max<Moment>(next_turn_, now - policy_.burst * policy_.refill) + policy_.refill;
  return std::max<Pause>(next_turn_ - now, Pause::zero());
}

std::optional<RetryBackend::Pause> RetryBackend::pause_after(int attempt, Moment started,
                                                             const Error& error) {
  if (attempt >= policy_.attempts_max || world_.stop.stop_requested()) return std::nullopt;
  const Moment now = world_.clock.monotonic();
  constexpr int kDoublingsMax = 30;
  const Pause bound = std::min<Pause>(
      policy_.pause_max, policy_.pause_first_max * (1LL << std::min(attempt - 1, kDoublingsMax)));
  const auto steps = static_cast<std::uint64_t>(bound.count()) + 1;
  Pause pause{static_cast<std::int64_t>(world_.rng.below(steps))};
  pause = std::max<Pause>(pause, std::chrono::milliseconds(error.retry_after_ms()));
  pause = std::max(pause, take_turn(now));
  if (now + pause - started > policy_.time_max) return std::nullopt;
  return pause;
}

template <typename Call>
auto RetryBackend::until_answered(const Call& call, const bool& caller_failed) -> decltype(call()) {
  const Moment started = world_.clock.monotonic();
  for (int attempt = 1;; ++attempt) {
    auto done = call();
    if (done || !done.error().retryable() || caller_failed) return done;
    const std::optional<Pause> pause = pause_after(attempt, started, done.error());
    if (!pause) {
      if (attempt == 1) return done;
      return std::unexpected(
          std::move(done).error().with_context(fmt::format("after {} attempts", attempt)));
    }
    if (world_.note) world_.note(done.error(), *pause);
    world_.sleep(*pause);
    if (world_.stop.stop_requested()) return done;
  }
}

template <typename Call>
auto RetryBackend::until_answered(const Call& call) -> decltype(call()) {
  return until_answered(call, kNeverTheCallers);
}

// Whether the object is these bytes and no others.
Result<bool> RetryBackend::holds(std::string_view name, const StreamedBytes& bytes) {
  const ObjectInfo info = TRY(head(name));
  if (info.size_bytes != bytes.size) return false;
  Bytes stored;
  for (std::uint64_t offset = 0; offset < bytes.size;) {
    ByteView expected = TRY(bytes.piece_at(offset));
    expected = expected.first(std::min(expected.size(), kComparedAtOnce));
    stored.resize(expected.size());
    TRY(get_range(name, offset, stored));
    if (!same_bytes(stored, expected)) return false;
    offset += expected.size();
  }
  return true;
}

template <typename Attempt>
Result<void> RetryBackend::create(std::string_view name, const StreamedBytes& bytes,
                                  const Attempt& attempt, const bool& caller_failed) {
  bool in_doubt = false;  // an attempt was not answered, and may have been carried out
  const auto once = [&]() -> Result<void> {
    Result<void> done = attempt();
    if (!done && done.error().retryable()) in_doubt = true;
    return done;
  };
  Result<void> done = until_answered(once, caller_failed);
  if (done || !in_doubt || done.error().code() != ErrorCode::kAlreadyExists) return done;
  const Result<bool> ours = holds(name, bytes);
  if (!ours && ours.error().retryable()) return std::unexpected(ours.error().clone());
  // What cannot be read back (the store may forbid it) is taken for somebody else's.
  if (!ours || !*ours) return done;
  return adopt(name);
}

Result<void> RetryBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return create(
      name, streamed(pieces), [&] { return inner_.put(name, pieces); }, kNeverTheCallers);
}

Result<void> RetryBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  bool source_failed = false;
  const StreamedBytes watched{.size = bytes.size,
                              .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
                                Result<ByteView> piece = bytes.piece_at(offset);
                                if (!piece) source_failed = true;
                                return piece;
                              }};
  return create(
      name, watched, [&] { return inner_.put_streamed(name, watched); }, source_failed);
}

Result<void> RetryBackend::barrier() {
  return until_answered([&] { return inner_.barrier(); });
}

Result<void> RetryBackend::adopt(std::string_view name) {
  return until_answered([&] { return inner_.adopt(name); });
}

Result<void> RetryBackend::adopt_names(std::string_view prefix) {
  return until_answered([&] { return inner_.adopt_names(prefix); });
}

Result<Bytes> RetryBackend::get(std::string_view name, std::uint64_t size_max) {
  return until_answered([&] { return inner_.get(name, size_max); });
}

Result<void> RetryBackend::get_range(std::string_view name, std::uint64_t offset,
                                     MutableByteView out) {
  return until_answered([&] { return inner_.get_range(name, offset, out); });
}

Result<ObjectInfo> RetryBackend::head(std::string_view name) {
  return until_answered([&] { return inner_.head(name); });
}

// Names are remembered by their hashes, in the order in which they came, and sorted when the
// listing has to begin again.
Result<void> RetryBackend::list(std::string_view prefix,
                                const std::function<Result<void>(const ObjectInfo&)>& each) {
  std::vector<crypto::Digest> given;
  bool caller_failed = false;
  const auto once = [&]() -> Result<void> {
    std::ranges::sort(given);
    const auto before = static_cast<std::ptrdiff_t>(given.size());
    return inner_.list(prefix, [&](const ObjectInfo& info) -> Result<void> {
      const crypto::Digest name = crypto::blake3(as_bytes(info.name));
      if (std::binary_search(given.begin(), given.begin() + before, name)) return {};
      given.push_back(name);
      Result<void> told = each(info);
      if (!told) caller_failed = true;
      return told;
    });
  };
  return until_answered(once, caller_failed);
}

Result<void> RetryBackend::remove(std::string_view name) {
  return until_answered([&] { return inner_.remove(name); });
}

Result<void> RetryBackend::retain(std::string_view name, Timestamp until) {
  return until_answered([&] { return inner_.retain(name, until); });
}

Result<std::optional<Timestamp>> RetryBackend::retention(std::string_view name) {
  return until_answered([&] { return inner_.retention(name); });
}

Result<void> RetryBackend::set_legal_hold(std::string_view name, LegalHold hold) {
  return until_answered([&] { return inner_.set_legal_hold(name, hold); });
}

Result<LegalHold> RetryBackend::legal_hold(std::string_view name) {
  return until_answered([&] { return inner_.legal_hold(name); });
}

Result<void> RetryBackend::set_append_only(AppendOnly mode) {
  return until_answered([&] { return inner_.set_append_only(mode); });
}

Result<Keeping> RetryBackend::keeping() {
  return until_answered([&] { return inner_.keeping(); });
}

Result<std::string> RetryBackend::mark(std::string_view name) {
  return until_answered([&] { return inner_.mark(name); });
}

Result<Answer> RetryBackend::versions() {
  return until_answered([&] { return inner_.versions(); });
}

Result<Timestamp> RetryBackend::store_time() {
  return until_answered([&] { return inner_.store_time(); });
}

}  // namespace backstay::backend
