// What is damaged, and which snapshots and files each damage touches.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/check.h"

namespace backstay::engine::check_stages {

// Thread-safe. Damages keep the order in which their objects were first named.
class DamageLog {
 public:
  using Listener = std::function<void(const Affected&)>;
  explicit DamageLog(Listener listener = {}) : listener_(std::move(listener)) {}
  void add(const std::string& object, const std::string& what) EXCLUDES(mutex_);
  // The object, which has been added before, turned out to be damaged in a way that says more.
  void explain(const std::string& object, const std::string& what) EXCLUDES(mutex_);
  // By one thread, one snapshot after another.
  void affects(const Affected& affected) EXCLUDES(mutex_);
  [[nodiscard]] bool contains(const std::string& object) const EXCLUDES(mutex_);
  // Forgets damages that turned out to be none.
  void drop(const std::unordered_set<std::string>& objects) EXCLUDES(mutex_);
  [[nodiscard]] std::size_t size() const EXCLUDES(mutex_);
  // The first damaged object that a text names, or the given one where it is damaged; else nothing.
  [[nodiscard]] std::string named_in(const std::string& text) const EXCLUDES(mutex_);
  [[nodiscard]] bool empty() const EXCLUDES(mutex_);
  [[nodiscard]] std::vector<Damage> take() EXCLUDES(mutex_);

 private:
  const Listener listener_;
  mutable Mutex mutex_;
  std::vector<Damage> damages_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::size_t> by_object_ GUARDED_BY(mutex_);
  // By number of the damage: the snapshot that it was last found to touch.
  std::unordered_map<std::size_t, snapshot::SnapshotId> last_touched_ GUARDED_BY(mutex_);
  std::size_t kept_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace backstay::engine::check_stages
