// What every part of one restore works with.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <string_view>

#include "engine/restore.h"
#include "engine/restore/limits.h"
#include "engine/restore/outcome.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"
#include "source/target_tree.h"

namespace backstay::engine::restoring {

// Names for files that are not whole yet. They are told apart from everything else in a folder by a
// number that nobody can guess, and nothing of the snapshot is ever written to an existing one.
class TemporaryNames {
 public:
  explicit TemporaryNames(Rng& rng) : run_(rng.next_u64()) {}
  [[nodiscard]] std::string next() {
    return fmt::format("{}{:016x}-{:x}{}", kStart, run_, next_.fetch_add(1), kEnd);
  }
  // What a restore that was killed left behind.
  [[nodiscard]] bool is_leftover(std::string_view name) const {
    return name.starts_with(kStart) && name.ends_with(kEnd) &&
           !name.starts_with(fmt::format("{}{:016x}-", kStart, run_));
  }

 private:
  static constexpr std::string_view kStart = ".backstay-";
  static constexpr std::string_view kEnd = ".partial";
  std::uint64_t run_;
  std::atomic<std::uint64_t> next_{0};
};

struct Site {
  repo::Repository& repository;
  const snapshot::Snapshot& snapshot;
  const RestoreOptions& options;
  const Limits& limits;
  Outcome& outcome;
  TemporaryNames& names;
  source::TargetTree* target = nullptr;  // null: there is no target folder yet (dry runs, plans)
};

}  // namespace backstay::engine::restoring
