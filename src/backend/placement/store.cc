#include "backend/placement/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/view.h"

namespace backstay::backend::placement {
namespace {

constexpr std::chrono::seconds kTryAgainAfter{5};

std::unexpected<Error> away(std::string_view name, const Error& why) {
  return std::unexpected(
      Error(ErrorCode::kUnavailable, fmt::format("the store {} is away: {}", name, why.describe()))
          .with_hint(why.hint()));
}

}  // namespace

Result<Identity> check_identity(Backend& backend, const Identity& identity, std::string_view name) {
  const Result<Bytes> stored = backend.get(kIdentityName, kMapBytesMax);
  if (!stored && stored.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kUnavailable,
              fmt::format("{} is not the store {}: it holds no placement/store", backend.describe(),
                          name))
            .with_hint("Check that its disk is mounted. If it was lost, take it out with "
                       "backstay placement remove."));
  }
  if (!stored) return away(name, stored.error());
  const Result<Identity> found = decode_identity(*stored);
  if (!found) return away(name, found.error());
  // One that was filled anew holds all that the map asked about decides, and the next map, too.
  const bool same = found->placement == identity.placement && found->store == identity.store;
  if (same && found->incarnation >= identity.incarnation) return *found;
  if (same) {
    return std::unexpected(
        Error(ErrorCode::kUnavailable,
              fmt::format("{} holds the store {} as it was before it was replaced",
                          backend.describe(), name))
            .with_hint("Mount the disk that took its place. If that is lost, too, empty this one "
                       "and run backstay placement replace."));
  }
  return std::unexpected(
      Error(ErrorCode::kUnavailable,
            fmt::format("{} is not the store {}, but another", backend.describe(), name))
          .with_hint("Check the URLs in the placement file."));
}

void Store::show(Progress shown) {
  const MutexLock lock(mutex_);
  shown_ = shown;
}

void Store::expect(Progress seen) {
  const MutexLock lock(mutex_);
  expected_ = std::max(expected_, seen);
}

Store::News Store::take_news() {
  const MutexLock lock(mutex_);
  return std::exchange(news_, {});
}

// The note with its last number says which store it is, too, so that one request is enough as a
// rule.
Result<void> Store::check(Backend& backend) {
  Progress shown;
  Progress expected;
  {
    const MutexLock lock(mutex_);
    shown = shown_;
    expected = expected_;
  }
  if (shown.count > 0 && shown >= expected && shown.incarnation >= identity_.incarnation) {
    const Result<Bytes> note = backend.get(count_name(shown.count), kMapBytesMax);
    const Result<Identity> found = note ? decode_identity(*note) : Result<Identity>(Identity{});
    Identity wanted = identity_;
    wanted.incarnation = shown.incarnation;
    if (note && found && *found == wanted) return {};
  }
  const Identity found = TRY(check_identity(backend, identity_, name_));
  if (shown == Progress{} && expected == Progress{}) return {};
  return check_progress(backend, found.incarnation);
}

Result<void> Store::check_progress(Backend& backend, std::uint64_t incarnation) {
  const Result<ProgressNotes> notes = list_progress(backend);
  if (!notes) return away(name_, notes.error());
  const Progress now{.incarnation = incarnation, .count = notes->count()};
  const MutexLock lock(mutex_);
  shown_ = now;
  if (now >= expected_) return {};
  Error error =
      Error(ErrorCode::kUnavailable,
            fmt::format("{} holds the store {} as it was some time ago: it lacks what it took "
                        "since",
                        backend.describe(), name_))
          .with_hint(
              "It was set back to an earlier state. Empty it and run backstay placement "
              "replace.");
  // Nor is what it has still there believed: it may have been removed.
  if (opened_ != nullptr && !lost_) lost_ = error.clone();
  return std::unexpected(std::move(error));
}

Result<std::unique_ptr<Backend>> Store::open() {
  std::unique_ptr<Backend> backend = TRY(open_(name_));
  TRY(check(*backend));
  return backend;
}

Result<Backend*> Store::reach() {
  {
    const MutexLock lock(mutex_);
    if (lost_) return std::unexpected(lost_->clone());
    while (opening_) opened_or_not_.wait(mutex_);
    if (opened_ != nullptr) return opened_.get();
    if (failure_ && clock_.monotonic() - failed_at_ < kTryAgainAfter)
      return std::unexpected(failure_->clone());
    opening_ = true;
  }
  Result<std::unique_ptr<Backend>> opened = open();
  const MutexLock lock(mutex_);
  opening_ = false;
  opened_or_not_.notify_all();
  if (opened) {
    opened_ = std::move(*opened);
    failure_.reset();
    return opened_.get();
  }
  const Error& why = opened.error();
  failure_ = why.code() == ErrorCode::kUnavailable ? why.clone() : away(name_, why).error().clone();
  failed_at_ = clock_.monotonic();
  return std::unexpected(failure_->clone());
}

Result<void> Store::is_itself() {
  return check(*TRY(reach()));
}

void Store::expect_transfers() {
  Backend* opened = nullptr;
  {
    const MutexLock lock(mutex_);
    opened = opened_.get();
  }
  if (opened != nullptr) opened->expect_transfers();
}

void Store::touch_put(std::string_view name) {
  {
    const MutexLock lock(mutex_);
    put_.emplace(name);
  }
  touched_ = true;  // after it, so that no barrier that has it not to look after unsets this
}

void Store::give_up(std::string_view name) {
  const MutexLock lock(mutex_);
  for (auto* const names : {&put_, &looked_after_}) {
    const auto found = names->find(name);
    if (found != names->end()) names->erase(found);
  }
}

void Store::forget_put(std::string_view name) {
  touched_ = true;
  const MutexLock lock(mutex_);
  const auto found = put_.find(name);
  if (found != put_.end()) put_.erase(found);
}

// The number is put after what it covers, so that a store that has it has that, too. Numbers that
// others put at the same time are passed by.
Result<std::optional<Progress>> Store::count_on(Backend& backend) {
  const ProgressNotes notes = TRY(list_progress(backend));
  const auto incarnation = [&] {
    const MutexLock lock(mutex_);
    return std::max(shown_.incarnation, identity_.incarnation);
  };
  const auto seen_by_others = [&] {
    const MutexLock lock(mutex_);
    return expected_;
  };
  if (Progress{.incarnation = incarnation(), .count = notes.count()} < seen_by_others())
    TRY(is_itself());
  Identity identity = identity_;
  identity.incarnation = incarnation();
  Progress next{.incarnation = identity.incarnation, .count = notes.count() + 1};
  constexpr int kTriesMax = 64;
  for (int i = 0; i < kTriesMax; ++i, ++next.count) {
    const Result<void> put = backend.put(count_name(next.count), encode_identity(identity));
    const ErrorCode code = put ? ErrorCode::kAlreadyExists : put.error().code();
    if (!put && code == ErrorCode::kAlreadyExists) continue;
    if (!put && (code == ErrorCode::kNoSpace || code == ErrorCode::kPermissionDenied))
      return std::optional<Progress>();
    if (!put) return std::unexpected(put.error().clone());
    for (const std::uint64_t old : notes.counts) {
      if (old + kCountsKept < next.count)
        static_cast<void>(backend.remove(count_name(old)).has_value());
    }
    const MutexLock lock(mutex_);
    shown_ = next;
    news_.seen = notes.seen;
    return std::optional<Progress>(next);
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("others put too many notes in the store {} at the same time", name_));
}

Result<void> Store::barrier_of(const std::set<std::string, std::less<>>& put) {
  Backend& backend = *TRY(reach());
  const std::optional<Progress> counted = TRY(count_on(backend));
  TRY(backend.barrier());
  TRY(is_itself());
  for (const std::string& name : put) {
    const Result<ObjectInfo> there = backend.head(name);
    if (there) continue;
    if (there.error().code() != ErrorCode::kNotFound) return std::unexpected(there.error().clone());
    if (backend.head(tombstone_name(name))) continue;  // removed since
    const MutexLock lock(mutex_);
    if (!looked_after_.contains(name)) continue;  // the same, by this client
    return fail(ErrorCode::kUnavailable,
                fmt::format("{} was stored there and is not there any more", name));
  }
  if (!counted) return {};
  const MutexLock lock(mutex_);
  expected_ = std::max(expected_, *counted);
  news_.durable = counted;
  return {};
}

Result<void> Store::barrier() {
  if (!touched_.exchange(false)) return {};
  std::set<std::string, std::less<>> put;
  {
    const MutexLock lock(mutex_);
    put.swap(put_);
    looked_after_.insert(put.begin(), put.end());
  }
  const Result<void> done = barrier_of(put);
  if (!done) touched_ = true;
  const MutexLock lock(mutex_);
  for (const std::string& name : put) looked_after_.erase(name);
  if (done) return {};
  if (!lost_) {
    lost_ =
        Error(ErrorCode::kUnavailable,
              fmt::format("the store {} did not make durable what it was given, and is not used "
                          "any more in this run: {}",
                          name_, done.error().describe()))
            .with_hint("Look whether its disk is well. The next run uses it again.");
  }
  return std::unexpected(lost_->clone());
}

}  // namespace backstay::backend::placement
