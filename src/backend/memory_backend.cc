#include "backend/memory_backend.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend {
namespace {

std::unexpected<Error> no_object(std::string_view name) {
  return fail(ErrorCode::kNotFound, fmt::format("there is no object {} in memory", name));
}

}  // namespace

Result<void> MemoryBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  TRY(validate_name(name));
  Bytes bytes;
  for (const ByteView piece : pieces) append(bytes, piece);
  const MutexLock lock(mutex_);
  const auto [at, created] = objects_.try_emplace(std::string(name));
  if (!created) {
    return fail(ErrorCode::kAlreadyExists, fmt::format("object {} is in memory already", name));
  }
  at->second = {std::move(bytes), clock_.now(), std::nullopt, LegalHold::kOff, ++changes_};
  return {};
}

Result<void> MemoryBackend::barrier() {
  return {};
}

Result<Bytes> MemoryBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  const Bytes& bytes = found->second.bytes;
  if (bytes.size() > size_max) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("object {} is larger than {} bytes", name, size_max));
  }
  return bytes;
}

Result<void> MemoryBackend::get_range(std::string_view name, std::uint64_t offset,
                                      MutableByteView out) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  const Bytes& bytes = found->second.bytes;
  if (offset > bytes.size() || out.size() > bytes.size() - offset) {
    return fail(ErrorCode::kCorruption, fmt::format("object {} ends at {}, before {} + {} bytes",
                                                    name, bytes.size(), offset, out.size()));
  }
  std::ranges::copy(ByteView(bytes).subspan(offset, out.size()), out.begin());
  return {};
}

Result<ObjectInfo> MemoryBackend::head(std::string_view name) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  return ObjectInfo{found->first, found->second.bytes.size(), found->second.modified};
}

Result<void> MemoryBackend::list(std::string_view prefix,
                                 const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  // Copied first, because `each` may come back to this backend.
  std::vector<ObjectInfo> found;
  {
    const MutexLock lock(mutex_);
    for (auto it = objects_.lower_bound(prefix);
         it != objects_.end() && it->first.starts_with(prefix); ++it) {
      found.push_back({it->first, it->second.bytes.size(), it->second.modified});
    }
  }
  for (const ObjectInfo& info : found) TRY(each(info));
  return {};
}

Result<void> MemoryBackend::remove(std::string_view name) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return {};
  const std::optional<Timestamp> until = found->second.retained_until;
  if (until && clock_.now() < *until) return refuse_retained(describe(), name, *until);
  if (found->second.legal_hold == LegalHold::kOn) return refuse_legal_hold(describe(), name);
  if (append_only_ == AppendOnly::kOn && !may_go_from_append_only(name))
    return refuse_append_only(describe(), name);
  objects_.erase(found);
  return {};
}

Result<void> MemoryBackend::retain(std::string_view name, Timestamp until) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  std::optional<Timestamp>& kept = found->second.retained_until;
  kept = std::max(kept.value_or(until), until);
  return {};
}

Result<std::optional<Timestamp>> MemoryBackend::retention(std::string_view name) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  return found->second.retained_until;
}

Result<void> MemoryBackend::set_legal_hold(std::string_view name, LegalHold hold) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  found->second.legal_hold = hold;
  return {};
}

Result<LegalHold> MemoryBackend::legal_hold(std::string_view name) {
  TRY(validate_name(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  return found->second.legal_hold;
}

Result<std::string> MemoryBackend::mark(std::string_view name) {
  TRY(validate_replaceable(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return no_object(name);
  return std::to_string(found->second.changes);
}

Result<void> MemoryBackend::replace(std::string_view name, std::string_view mark, ByteView bytes) {
  TRY(validate_replaceable(name));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  const bool same = found != objects_.end() && std::to_string(found->second.changes) == mark;
  if (!same) return fail(ErrorCode::kConflict, fmt::format("object {} is another now", name));
  found->second.bytes.assign(bytes.begin(), bytes.end());
  found->second.modified = clock_.now();
  found->second.changes = ++changes_;
  return {};
}

Result<Timestamp> MemoryBackend::store_time() {
  return clock_.now();
}

Capabilities MemoryBackend::capabilities() const {
  const MutexLock lock(mutex_);
  return {.conditional_create = true,
          .lists_at_once = true,
          .server_time = true,
          .object_bytes_max = 0,
          .object_lock = true,
          .lock_by_store = true,
          .legal_hold = true,
          .append_only = append_only_ == AppendOnly::kOn};
}

MemoryBackend::Objects MemoryBackend::objects() const {
  const MutexLock lock(mutex_);
  Objects copy;
  for (const auto& [name, stored] : objects_) copy.emplace(name, stored.bytes);
  return copy;
}

Result<void> MemoryBackend::set_append_only(AppendOnly mode) {
  const MutexLock lock(mutex_);
  append_only_ = mode;
  return {};
}

void MemoryBackend::set_objects(Objects objects) {
  const MutexLock lock(mutex_);
  objects_.clear();
  for (auto& [name, bytes] : objects) {
    objects_.emplace(
        name, Stored{std::move(bytes), clock_.now(), std::nullopt, LegalHold::kOff, ++changes_});
  }
}

}  // namespace backstay::backend
