#include "backend/fault_backend.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend {
namespace {

constexpr std::uint8_t kAllBits = 0xff;

}  // namespace

void FaultBackend::fail_at(std::uint64_t number, ErrorCode code, Effect effect) {
  const MutexLock lock(mutex_);
  faults_.insert_or_assign(number, Fault{code, effect});
}

void FaultBackend::crash_at(std::uint64_t number, Effect effect) {
  const MutexLock lock(mutex_);
  crash_number_ = number;
  crash_effect_ = effect;
}

void FaultBackend::crash_in(std::string doing, Effect effect) {
  const MutexLock lock(mutex_);
  crash_beginning_ = std::move(doing);
  crash_effect_ = effect;
}

void FaultBackend::limit_space(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  space_left_ = bytes;
}

void FaultBackend::flip_byte(std::string_view name, std::uint64_t offset) {
  const MutexLock lock(mutex_);
  damage_[std::string(name)].flipped.insert(offset);
}

void FaultBackend::truncate(std::string_view name, std::uint64_t size) {
  const MutexLock lock(mutex_);
  damage_[std::string(name)].size_max = size;
}

void FaultBackend::fail_reads(std::string_view name, ErrorCode code) {
  const MutexLock lock(mutex_);
  damage_[std::string(name)].unreadable = code;
}

std::uint64_t FaultBackend::calls() const {
  const MutexLock lock(mutex_);
  return calls_;
}

bool FaultBackend::crashed() const {
  const MutexLock lock(mutex_);
  return crashed_in_.has_value();
}

std::string FaultBackend::crashed_in() const {
  const MutexLock lock(mutex_);
  return crashed_in_.value_or("");
}

Result<void> FaultBackend::lose_unsynced(const std::function<bool(const std::string& name)>& lose) {
  std::set<std::string> unsynced;
  {
    const MutexLock lock(mutex_);
    unsynced.swap(unsynced_);
  }
  for (const std::string& name : unsynced) {
    if (lose(name)) TRY(inner_.remove(name));
  }
  return {};
}

// Numbers the call and says what is to happen to it.
std::optional<FaultBackend::Fault> FaultBackend::fault_of_call(std::string doing, Change change) {
  const MutexLock lock(mutex_);
  if (crashed_in_) return Fault{ErrorCode::kCancelled, Effect::kLost};
  if (numbered_ == Numbered::kChanges && change == Change::kNo) return std::nullopt;
  ++calls_;
  if (crash_number_ == calls_ || (crash_beginning_ && doing.starts_with(*crash_beginning_))) {
    crashed_in_ = std::move(doing);
    return Fault{ErrorCode::kCancelled, crash_effect_};
  }
  const auto fault = faults_.find(calls_);
  if (fault == faults_.end()) return std::nullopt;
  return fault->second;
}

Result<void> FaultBackend::reading(const std::string& doing) {
  const std::optional<Fault> fault = fault_of_call(doing, Change::kNo);
  if (fault) return fail(fault->code, "failing on purpose: " + doing);
  return {};
}

Result<void> FaultBackend::changing(const std::string& doing,
                                    const std::function<Result<void>()>& change) {
  const std::optional<Fault> fault = fault_of_call(doing, Change::kYes);
  if (!fault) return change();
  // Should the change fail by itself, that is the failure to see.
  if (fault->effect == Effect::kApplied) TRY(change());
  return fail(fault->code, "failing on purpose: " + doing);
}

Result<void> FaultBackend::take_space(std::span<const ByteView> pieces) {
  std::uint64_t size = 0;
  for (const ByteView piece : pieces) size += piece.size();
  const MutexLock lock(mutex_);
  if (!space_left_) return {};
  if (size > *space_left_) {
    return fail(ErrorCode::kNoSpace, fmt::format("{} bytes are left", *space_left_));
  }
  *space_left_ -= size;
  return {};
}

Result<void> FaultBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return changing(fmt::format("put {}", name), [&]() -> Result<void> {
    TRY(take_space(pieces));
    TRY(inner_.put(name, pieces));
    const MutexLock lock(mutex_);
    unsynced_.emplace(name);
    return {};
  });
}

Result<void> FaultBackend::barrier() {
  return changing("barrier", [&]() -> Result<void> {
    std::set<std::string> synced;
    {
      const MutexLock lock(mutex_);
      synced = unsynced_;
    }
    TRY(inner_.barrier());
    const MutexLock lock(mutex_);
    for (const std::string& name : synced) unsynced_.erase(name);
    return {};
  });
}

Result<void> FaultBackend::adopt_names(std::string_view prefix) {
  TRY(reading(fmt::format("adopt names of {}", prefix)));
  return inner_.adopt_names(prefix);
}

Result<void> FaultBackend::adopt(std::string_view name) {
  TRY(reading(fmt::format("adopt {}", name)));
  return inner_.adopt(name);
}

FaultBackend::Damage FaultBackend::damage_of(std::string_view name) const {
  const MutexLock lock(mutex_);
  const auto found = damage_.find(name);
  return found == damage_.end() ? Damage{} : found->second;
}

ObjectInfo FaultBackend::damaged(ObjectInfo info) const {
  const Damage damage = damage_of(info.name);
  info.size_bytes = std::min(info.size_bytes, damage.size_max.value_or(info.size_bytes));
  return info;
}

Result<Bytes> FaultBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(reading(fmt::format("get {}", name)));
  const Damage damage = damage_of(name);
  if (damage.unreadable) return fail(*damage.unreadable, fmt::format("{} is unreadable", name));
  Bytes bytes = TRY(inner_.get(name, size_max));
  if (damage.size_max && *damage.size_max < bytes.size()) bytes.resize(*damage.size_max);
  for (const std::uint64_t offset : damage.flipped) {
    if (offset < bytes.size()) bytes[offset] ^= kAllBits;
  }
  return bytes;
}

Result<void> FaultBackend::get_range(std::string_view name, std::uint64_t offset,
                                     MutableByteView out) {
  TRY(reading(fmt::format("get_range {} {}+{}", name, offset, out.size())));
  const Damage damage = damage_of(name);
  if (damage.unreadable) return fail(*damage.unreadable, fmt::format("{} is unreadable", name));
  TRY(inner_.get_range(name, offset, out));
  if (damage.size_max && offset + out.size() > *damage.size_max) {
    return fail(ErrorCode::kCorruption,
                fmt::format("object {} ends at {}", name, *damage.size_max));
  }
  for (const std::uint64_t flipped : damage.flipped) {
    if (flipped >= offset && flipped - offset < out.size()) out[flipped - offset] ^= kAllBits;
  }
  return {};
}

Result<ObjectInfo> FaultBackend::head(std::string_view name) {
  TRY(reading(fmt::format("head {}", name)));
  return damaged(TRY(inner_.head(name)));
}

Result<void> FaultBackend::list(std::string_view prefix,
                                const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(reading(fmt::format("list {}", prefix)));
  return inner_.list(prefix, [&](const ObjectInfo& info) { return each(damaged(info)); });
}

Result<void> FaultBackend::remove(std::string_view name) {
  return changing(fmt::format("remove {}", name), [&]() -> Result<void> {
    TRY(inner_.remove(name));
    const MutexLock lock(mutex_);
    unsynced_.erase(std::string(name));
    return {};
  });
}

Result<void> FaultBackend::retain(std::string_view name, Timestamp until) {
  return changing(fmt::format("retain {}", name), [&] { return inner_.retain(name, until); });
}

Result<std::optional<Timestamp>> FaultBackend::retention(std::string_view name) {
  TRY(reading(fmt::format("retention {}", name)));
  return inner_.retention(name);
}

Result<void> FaultBackend::set_legal_hold(std::string_view name, LegalHold hold) {
  return changing(fmt::format("legal hold {}", name),
                  [&] { return inner_.set_legal_hold(name, hold); });
}

Result<LegalHold> FaultBackend::legal_hold(std::string_view name) {
  TRY(reading(fmt::format("legal hold {}", name)));
  return inner_.legal_hold(name);
}

Result<void> FaultBackend::set_append_only(AppendOnly mode) {
  return changing("set_append_only", [&] { return inner_.set_append_only(mode); });
}

Result<Keeping> FaultBackend::keeping() {
  TRY(reading("keeping"));
  return inner_.keeping();
}

Result<Timestamp> FaultBackend::store_time() {
  TRY(reading("store_time"));
  return inner_.store_time();
}

}  // namespace backstay::backend
