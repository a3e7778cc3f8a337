// What is damaged, and which snapshots and files each damage touches.
#pragma once

#include <map>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "engine/check.h"

namespace backstay::engine::check_stages {

// Thread-safe. Damages keep the order in which their objects were first named.
class DamageLog {
 public:
  void add(const std::string& object, const std::string& what) EXCLUDES(mutex_);
  // `affected` is touched by the damage of `object`, which has been added before.
  void affects(const std::string& object, const std::string& affected) EXCLUDES(mutex_);
  [[nodiscard]] bool contains(const std::string& object) const EXCLUDES(mutex_);
  // Forgets a damage that turned out to be none.
  void drop(const std::string& object) EXCLUDES(mutex_);
  [[nodiscard]] bool empty() const EXCLUDES(mutex_);
  [[nodiscard]] std::vector<Damage> copy() const EXCLUDES(mutex_);
  [[nodiscard]] std::vector<Damage> take() EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::vector<Damage> damages_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::size_t> by_object_ GUARDED_BY(mutex_);
};

}  // namespace backstay::engine::check_stages
