#include "engine/check/damage_log.h"

#include "repo/object.h"

namespace backstay::engine::check_stages {

void DamageLog::add(const std::string& object, const std::string& what) {
  const MutexLock lock(mutex_);
  const auto [it, fresh] = by_object_.emplace(object, damages_.size());
  if (!fresh) return;
  Damage& damage = damages_.emplace_back();
  damage.object = object;
  damage.what = what;
}

void DamageLog::explain(const std::string& object, const std::string& what) {
  const MutexLock lock(mutex_);
  const auto it = by_object_.find(object);
  if (it != by_object_.end()) damages_[it->second].what = what;
}

void DamageLog::affects(const Affected& affected) {
  {
    const MutexLock lock(mutex_);
    const auto it = by_object_.find(affected.object);
    if (it == by_object_.end()) return;
    Damage& damage = damages_[it->second];
    ++damage.affected_total;
    const auto [last, first_time] = last_touched_.try_emplace(it->second, affected.snapshot);
    if (first_time || last->second != affected.snapshot) ++damage.snapshots;
    last->second = affected.snapshot;
    if (damage.affects.size() < kAffectedMax && kept_bytes_ < kAffectedBytesMax) {
      std::string text = "snapshot " + affected.snapshot.short_hex();
      if (!affected.path.empty()) {
        const std::string path = snapshot::shortened(affected.path);
        text += affected.from_here_on ? ": entries from " + path + " on" : ": " + path;
      }
      kept_bytes_ += text.size();
      damage.affects.push_back(std::move(text));
    }
  }
  if (listener_) listener_(affected);
}

void DamageLog::drop(const std::unordered_set<std::string>& objects) {
  if (objects.empty()) return;
  const MutexLock lock(mutex_);
  std::erase_if(damages_, [&](const Damage& damage) { return objects.contains(damage.object); });
  by_object_.clear();
  last_touched_.clear();
  for (std::size_t at = 0; at < damages_.size(); ++at) by_object_.emplace(damages_[at].object, at);
}

bool DamageLog::contains(const std::string& object) const {
  const MutexLock lock(mutex_);
  return by_object_.contains(object);
}

bool DamageLog::empty() const {
  const MutexLock lock(mutex_);
  return damages_.empty();
}

std::size_t DamageLog::size() const {
  const MutexLock lock(mutex_);
  return damages_.size();
}

// Names of packs are looked for by their form: there may be as many damages as packs.
std::string DamageLog::named_in(const std::string& text) const {
  constexpr std::size_t kPackNameBytes = 5 + 3 + 64;  // "data/", "3f/", the digits
  const MutexLock lock(mutex_);
  for (const std::string_view folder : {"data/", "meta/"}) {
    for (std::size_t at = text.find(folder); at != std::string::npos;
         at = text.find(folder, at + 1)) {
      const std::string name = text.substr(at, kPackNameBytes);
      if (by_object_.contains(name)) return name;
    }
  }
  return {};
}

std::vector<Damage> DamageLog::take() {
  const MutexLock lock(mutex_);
  return std::move(damages_);
}

}  // namespace backstay::engine::check_stages
