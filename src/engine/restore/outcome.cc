#include "engine/restore/outcome.h"

#include <fmt/format.h>

#include "crypto/hash.h"
#include "io/file.h"

namespace backstay::engine::restoring {
namespace {

// A snapshot may name any number of extended attributes.
constexpr std::size_t kAttributesNotedMax = 32;

// With less than this free, the next file will not fit either.
constexpr std::uint64_t kRoomBytes = 16 << 20;

bool is_full(const std::string& target) {
  const Result<std::uint64_t> free = io::free_bytes(target);
  return free && *free < kRoomBytes;
}

std::uint64_t digest_of_path(const std::string& path) {
  return load_le<std::uint64_t>(crypto::blake3(as_bytes(path)).bytes.data());
}

}  // namespace

void Outcome::trouble(const std::string& path, const Error& error) {
  errors_.fetch_add(1, std::memory_order_relaxed);
  activity_.progress.errors.fetch_add(1, std::memory_order_relaxed);
  if (activity_.report) activity_.report(path, error);
  if (error.code() == ErrorCode::kNoSpace && is_full(target_)) end(error);
}

void Outcome::deleted(const std::string& path, snapshot::EntryType type,
                      const RestoreOptions& options) {
  auto& count = type == snapshot::EntryType::kDirectory ? dirs_deleted : files_deleted;
  count.fetch_add(1, std::memory_order_relaxed);
  if (options.on_delete) options.on_delete(path, type);
}

void Outcome::attributes(const std::string& path, const source::AttributeReport& report) {
  if (report.not_set.empty()) return;
  attributes_not_set_.fetch_add(1, std::memory_order_relaxed);
  for (const std::string& name : report.not_set) {
    {
      const MutexLock lock(mutex_);
      if (attributes_noted_.size() >= kAttributesNotedMax) return;
      if (!attributes_noted_.insert(name).second) continue;
    }
    note(fmt::format("{} of {} could not be set (said once; the summary counts all)", name, path));
  }
}

void Outcome::end(const Error& error) {
  const MutexLock lock(mutex_);
  if (!reason_) reason_ = error.clone();
  ended_.store(true, std::memory_order_relaxed);
}

Result<void> Outcome::status() const {
  const MutexLock lock(mutex_);
  if (reason_) return std::unexpected(reason_->clone());
  if (activity_.stop.stop_requested())
    return fail(ErrorCode::kCancelled, "the restore was stopped");
  return {};
}

void Outcome::leave_out_of_verify(const std::string& path) {
  const std::uint64_t digest = digest_of_path(path);
  const MutexLock lock(mutex_);
  left_out_.insert(digest);
}

bool Outcome::is_left_out(const std::string& path) const {
  const std::uint64_t digest = digest_of_path(path);
  const MutexLock lock(mutex_);
  return left_out_.contains(digest);
}

RestoreReport Outcome::report() const {
  RestoreReport report;
  report.files_restored = files_restored;
  report.files_unchanged = files_unchanged;
  report.files_deleted = files_deleted;
  report.dirs_deleted = dirs_deleted;
  report.files_failed = files_failed;
  report.dirs_restored = dirs_restored;
  report.bytes_written = bytes_written;
  report.attributes_not_set = attributes_not_set_;
  report.errors = errors_;
  report.bytes_verified = bytes_verified;
  report.differences = differences;
  report.stretches_lost = stretches_lost;
  return report;
}

}  // namespace backstay::engine::restoring
