#include "backend/placement/store.h"

#include <fmt/format.h>

namespace backstay::backend::placement {
namespace {

constexpr std::chrono::seconds kTryAgainAfter{5};
constexpr std::chrono::seconds kConfirmedFor{5};

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
  if (*found == identity) return {};
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

Result<void> Store::confirm() {
  const auto now = clock_.monotonic();
  {
    const MutexLock lock(mutex_);
    if (confirmed_at_ && now - *confirmed_at_ < kConfirmedFor) return {};
  }
  TRY(is_itself());
  const MutexLock lock(mutex_);
  confirmed_at_ = now;
  return {};
}

Result<void> Store::barrier() {
  if (!touched_.exchange(false)) return {};
  const auto done = [&]() -> Result<void> {
    TRY(TRY(reach())->barrier());
    return is_itself();
  };
  Result<void> result = done();
  if (!result) touched_ = true;
  return result;
}

}  // namespace backstay::backend::placement
