// Which packs were read and found whole, and when, so that checks that take turns cover everything.
//
// A small file in the cache. Losing it, or finding it damaged, only costs time: what it does not
// know counts as never verified. Times are those of this machine's clock. One that lies in the
// future says nothing, for either the clock was wrong then or it is now, and is not kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "base/error.h"
#include "repo/object.h"

namespace backstay::engine::check_stages {

// Not thread-safe.
class VerifiedPacks {
 public:
  // An empty `path` remembers nothing.
  static VerifiedPacks load(std::string path, Timestamp now);

  [[nodiscard]] bool remembers() const { return !path_.empty(); }
  // Seconds since 1970, or nothing when it never was.
  [[nodiscard]] std::optional<std::int64_t> verified_at(const repo::ObjectId& pack) const;
  [[nodiscard]] bool is_fresh(const repo::ObjectId& pack, std::chrono::seconds max_age,
                              Timestamp now) const;
  void add(const repo::ObjectId& pack, Timestamp now);
  void forget(const repo::ObjectId& pack);
  // Those that are not there any more are not kept.
  void keep_only(const std::unordered_set<repo::ObjectId>& present);
  // With what another check wrote meanwhile.
  Result<void> save(Timestamp now);

 private:
  void read(Timestamp now);

  std::string path_;
  std::unordered_map<repo::ObjectId, std::int64_t> times_;
  std::unordered_set<repo::ObjectId> forgotten_;
  std::optional<std::unordered_set<repo::ObjectId>> present_;
};

}  // namespace backstay::engine::check_stages
