#include "backend/placement/store.h"

#include <fmt/format.h>

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

Result<void> check_identity(Backend& backend, const Identity& identity, std::string_view name) {
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
  if (same && found->incarnation >= identity.incarnation) return {};
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

Result<std::unique_ptr<Backend>> Store::open() const {
  std::unique_ptr<Backend> backend = TRY(open_(name_));
  TRY(check_identity(*backend, identity_, name_));
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
  Backend* const backend = TRY(reach());
  return check_identity(*backend, identity_, name_);
}

void Store::touch_put(std::string_view name) {
  {
    const MutexLock lock(mutex_);
    put_.emplace(name);
  }
  touched_ = true;  // after it, so that no barrier that has it not to look after unsets this
}

void Store::forget_put(std::string_view name) {
  touched_ = true;
  const MutexLock lock(mutex_);
  const auto found = put_.find(name);
  if (found != put_.end()) put_.erase(found);
}

Result<void> Store::barrier_of(const std::set<std::string, std::less<>>& put) {
  Backend& backend = *TRY(reach());
  TRY(backend.barrier());
  TRY(is_itself());
  for (const std::string& name : put) {
    const Result<ObjectInfo> there = backend.head(name);
    if (there) continue;
    if (there.error().code() != ErrorCode::kNotFound) return std::unexpected(there.error().clone());
    if (backend.head(tombstone_name(name))) continue;  // removed since
    return fail(ErrorCode::kUnavailable,
                fmt::format("{} was stored there and is not there any more", name));
  }
  return {};
}

Result<void> Store::barrier() {
  if (!touched_.exchange(false)) return {};
  std::set<std::string, std::less<>> put;
  {
    const MutexLock lock(mutex_);
    put.swap(put_);
  }
  const Result<void> done = barrier_of(put);
  if (done) return {};
  touched_ = true;
  const MutexLock lock(mutex_);
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
