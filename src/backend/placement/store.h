// One of many stores, as the others see it: it answers, or it is away.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backend/backend.h"
#include "backend/placement/map.h"
#include "backend/placement/progress.h"
#include "base/mutex.h"
#include "base/try.h"

namespace backstay::backend::placement {

// A set of places in Map::stores.
using StoreMask = std::uint64_t;
[[nodiscard]] constexpr StoreMask mask_of(unsigned store) {
  return StoreMask{1} << store;
}
// The stores by whose numbers `items` are kept, and of which `holds` is true.
[[nodiscard]] StoreMask mask_where(const auto& items, const auto& holds) {
  StoreMask mask = 0;
  for (unsigned i = 0; i < items.size(); ++i) mask |= holds(items[i]) ? mask_of(i) : 0;
  return mask;
}
[[nodiscard]] StoreMask set_of(const auto& stores) {
  StoreMask mask = 0;
  for (const unsigned i : stores) mask |= mask_of(i);
  return mask;
}
[[nodiscard]] inline unsigned count_of(StoreMask mask) {
  return static_cast<unsigned>(std::popcount(mask));
}
[[nodiscard]] inline std::vector<unsigned> members_of(StoreMask mask) {
  std::vector<unsigned> members;
  for (unsigned i = 0; i < kStoresMax; ++i) {
    if ((mask & mask_of(i)) != 0) members.push_back(i);
  }
  return members;
}

// Opens the store of that name where it is said to be.
using StoreOpener = std::function<Result<std::unique_ptr<Backend>>(const std::string& name)>;

class Store {
 public:
  // `open` and `clock` outlive it.
  Store(std::string name, Identity identity, const StoreOpener& open, const Clock& clock)
      : name_(std::move(name)), identity_(identity), open_(open), clock_(clock) {}
  // One that is open already and whose identity was seen.
  Store(std::string name, Identity identity, std::unique_ptr<Backend> opened,
        const StoreOpener& open, const Clock& clock)
      : Store(std::move(name), identity, open, clock) {
    opened_ = std::move(opened);
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  // The store, opened and known to be the one that it should be. unavailable while it cannot be
  // had; it is tried again every few seconds. Also once a barrier of it failed: what it was given
  // may be lost, though it still shows it, and nothing that it says counts for this client.
  Result<Backend*> reach() EXCLUDES(mutex_);
  // Whether it still is: a disk may have been unmounted since, or set back to an earlier state.
  // Asked after it said that something is not there, and before that counts.
  Result<void> is_itself() EXCLUDES(mutex_);

  // How far it was when it was asked last, and how far others saw it: with less it was set back.
  void show(Progress shown) EXCLUDES(mutex_);
  void expect(Progress seen) EXCLUDES(mutex_);
  // What its last barrier made durable, once; and notes of what others were seen to have, which lie
  // in it and were not taken yet.
  struct News {
    std::optional<Progress> durable;
    std::vector<std::string> seen;
  };
  News take_news() EXCLUDES(mutex_);

  // Backend::expect_transfers, where it is open.
  void expect_transfers() EXCLUDES(mutex_);

  // Something was removed, or is to be made durable, that the next barrier is for.
  void touch() { touched_ = true; }
  // `name` was put; and it is no matter any more, because it was removed again.
  void touch_put(std::string_view name) EXCLUDES(mutex_);
  void forget_put(std::string_view name) EXCLUDES(mutex_);
  // It is about to be removed: a barrier that is under way misses it no more.
  void give_up(std::string_view name) EXCLUDES(mutex_);
  // What was touched so far is durable, it is the store that it should be, and what was put is
  // there: not in the folder below a mount point to which the disk has come back since.
  Result<void> barrier() EXCLUDES(mutex_);

 private:
  Result<std::unique_ptr<Backend>> open() EXCLUDES(mutex_);
  Result<void> check(Backend& backend) EXCLUDES(mutex_);
  Result<void> check_progress(Backend& backend, std::uint64_t incarnation) EXCLUDES(mutex_);
  // Puts the next number. Nothing where the store has no room for it.
  Result<std::optional<Progress>> count_on(Backend& backend) EXCLUDES(mutex_);
  Result<void> barrier_of(const std::set<std::string, std::less<>>& put) EXCLUDES(mutex_);

  const std::string name_;
  const Identity identity_;
  const StoreOpener& open_;
  const Clock& clock_;
  std::atomic<bool> touched_ = false;
  Mutex mutex_;
  CondVar opened_or_not_;
  bool opening_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<Backend> opened_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  std::optional<Error> lost_ GUARDED_BY(mutex_);  // why its barrier failed
  std::set<std::string, std::less<>> put_ GUARDED_BY(mutex_);
  // Of those that barriers under way took from it: what nobody removes meanwhile.
  std::set<std::string, std::less<>> looked_after_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point failed_at_ GUARDED_BY(mutex_);
  Progress shown_ GUARDED_BY(mutex_);
  Progress expected_ GUARDED_BY(mutex_);
  News news_ GUARDED_BY(mutex_);
};

// What `backend` says that it is, where it is the store that `identity` says. unavailable when it
// is another, or none.
Result<Identity> check_identity(Backend& backend, const Identity& identity, std::string_view name);

// Calls fn(store) for each at the same time, and waits for all.
template <typename Fn>
void at_once(const std::vector<unsigned>& stores, const Fn& fn) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < stores.size(); ++i)
    threads.emplace_back([&fn, store = stores[i]] { fn(store); });
  if (!stores.empty()) fn(stores.front());
}

}  // namespace backstay::backend::placement
