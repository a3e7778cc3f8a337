#include "engine/check/damage_log.h"

namespace backstay::engine::check_stages {

void DamageLog::add(const std::string& object, const std::string& what) {
  const MutexLock lock(mutex_);
  const auto [it, fresh] = by_object_.emplace(object, damages_.size());
  if (fresh)
    damages_.push_back({.object = object, .what = what, .affects = {}, .affected_total = 0});
}

void DamageLog::affects(const std::string& object, const std::string& affected) {
  const MutexLock lock(mutex_);
  const auto it = by_object_.find(object);
  if (it == by_object_.end()) return;
  Damage& damage = damages_[it->second];
  ++damage.affected_total;
  if (damage.affects.size() < kAffectedMax) damage.affects.push_back(affected);
}

void DamageLog::drop(const std::string& object) {
  const MutexLock lock(mutex_);
  const auto it = by_object_.find(object);
  if (it == by_object_.end()) return;
  const std::size_t place = it->second;
  damages_.erase(damages_.begin() + static_cast<std::ptrdiff_t>(place));
  by_object_.erase(it);
  for (auto& [name, at] : by_object_) {
    if (at > place) --at;
  }
}

bool DamageLog::contains(const std::string& object) const {
  const MutexLock lock(mutex_);
  return by_object_.contains(object);
}

bool DamageLog::empty() const {
  const MutexLock lock(mutex_);
  return damages_.empty();
}

std::vector<Damage> DamageLog::copy() const {
  const MutexLock lock(mutex_);
  return damages_;
}

std::vector<Damage> DamageLog::take() {
  const MutexLock lock(mutex_);
  return std::move(damages_);
}

}  // namespace backstay::engine::check_stages
