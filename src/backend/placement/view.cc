#include "backend/placement/view.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kTombstones = "removed/";

bool is_parity_folder(std::string_view rest) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return rest.size() >= 3 && is_digit(rest[0]) && is_digit(rest[1]) && rest[2] == '/';
}

std::string_view top_of(std::string_view name) {
  return name.substr(0, name.find('/'));
}

}  // namespace

Kind kind_of(std::string_view name) {
  constexpr std::string_view kParity = "parity/";
  const bool bulk = name.starts_with("data/") || name.starts_with("meta/") ||
                    name.starts_with("index/") ||
                    (name.starts_with(kParity) && is_parity_folder(name.substr(kParity.size())));
  return bulk ? Kind::kBulk : Kind::kControl;
}

bool may_hold(std::string_view prefix, Kind kind) {
  if (prefix.empty() || prefix == "parity/") return true;
  return kind_of(prefix) == kind;
}

std::string tombstone_name(std::string_view name) {
  return fmt::format("{}{}/{}", kTombstones, top_of(name), crypto::blake3(as_bytes(name)).hex());
}

std::string tombstone_folder(std::string_view prefix) {
  if (prefix.empty()) return std::string(kTombstones);
  return fmt::format("{}{}/", kTombstones, top_of(prefix));
}

bool is_reserved(std::string_view name) {
  return top_of(name) == "placement" || top_of(name) == "removed";
}

View::View(Map map, std::vector<std::shared_ptr<Store>> stores)
    : map_(std::move(map)), stores_(std::move(stores)) {
  ASSERT(stores_.size() == map_.stores.size());
  StoreMask before = 0;
  StoreMask after = 0;
  for (unsigned i = 0; i < stores_.size(); ++i) {
    const Membership membership = map_.stores[i].membership;
    all_ |= mask_of(i);
    if (membership != Membership::kJoining) before |= mask_of(i);
    if (membership != Membership::kLeaving) after |= mask_of(i);
  }
  losses_ = map_.losses();
  groups_.push_back(group_of(after, losses_));
  if (!moving()) return;
  groups_.push_back(group_of(before, map_.losses_before_and_one - 1));
  losses_ = std::min(losses_, map_.losses_before_and_one - 1);
}

const Ring& View::ring() const {
  std::call_once(ring_once_, [&] { ring_.emplace(map_); });
  return *ring_;
}

View::Group View::group_of(StoreMask members, unsigned losses) {
  const unsigned count = count_of(members);
  const unsigned write = std::max(count / 2 + 1, std::min(count, losses + 1));
  return {.members = members, .write = write, .read = count - write + 1};
}

bool View::decides(StoreMask stores) const {
  return std::ranges::all_of(
      groups_, [&](const Group& g) { return count_of(stores & g.members) >= g.write; });
}

bool View::wins(StoreMask stores) const {
  return std::ranges::any_of(
      groups_, [&](const Group& g) { return count_of(stores & g.members) >= g.write; });
}

bool View::sees(StoreMask stores) const {
  return std::ranges::all_of(
      groups_, [&](const Group& g) { return count_of(stores & g.members) >= g.read; });
}

bool View::covers_bulk_without(StoreMask away) const {
  return count_of(away) <= losses_;
}

void Troubles::add(const Store& store, const Error& error) {
  const MutexLock lock(mutex_);
  found_.emplace_back(store.name(), error.clone());
}

std::string Troubles::text() const {
  const MutexLock lock(mutex_);
  std::string out;
  for (const auto& [name, error] : found_)
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", name, error.describe());
  return out;
}

bool Troubles::any(ErrorCode code) const {
  const MutexLock lock(mutex_);
  return std::ranges::any_of(found_, [&](const auto& one) { return one.second.code() == code; });
}

std::unexpected<Error> Troubles::failure(std::string what) const {
  ErrorCode code = ErrorCode::kUnavailable;
  for (const ErrorCode worse : {ErrorCode::kNoSpace, ErrorCode::kPermissionDenied}) {
    if (any(worse)) code = worse;
  }
  // What the caller of a stream fails with is his.
  if (any(ErrorCode::kCancelled)) code = ErrorCode::kCancelled;
  const std::string why = text();
  return std::unexpected(
      Error(code, why.empty() ? std::move(what) : fmt::format("{} ({})", what, why))
          .with_hint("backstay placement status shows the stores."));
}

}  // namespace backstay::backend::placement
