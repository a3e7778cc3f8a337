// From the primary of a set to its copies: after a backup, or by 'copy'.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "cli/command.h"
#include "cli/running.h"
#include "cli/session.h"
#include "engine/copies.h"
#include "engine/copy.h"
#include "policy/places.h"

namespace backstay::cli {

// A place that was away for very long gets the newest so many by a backup, and the rest by 'copy'.
inline constexpr std::size_t kCatchUpMax = 100;

// What it does for each place it tells, as text or as a JSON line "copied_to". A place that fails
// is told, and the next one's turn comes; only an interruption is a failure here.
class CopyToPlaces {
 public:
  struct World {
    Context& context;  // of the primary
    repo::Repository& primary;
    const GivenCredential& given;  // what opened it, for the places that have nothing of their own
    engine::CopyOptions options;
    Running& running;
    std::function<void(const engine::CopiedSnapshot&)> on_copied;
    std::optional<snapshot::SnapshotId> made_now = {};  // by the backup that this comes after
  };
  explicit CopyToPlaces(World world) : world_(std::move(world)) {}

  // `snapshots` is what the primary had before its index was loaded, oldest first.
  Result<void> copy_all(const policy::Place& place,
                        const std::vector<repo::StoredSnapshot>& snapshots);
  // Only what it missed (engine::catch_up), and World::made_now.
  Result<void> catch_up(const policy::Place& place,
                        const std::vector<repo::StoredSnapshot>& snapshots);

  [[nodiscard]] const engine::CopyReport& total() const { return total_; }
  // Every place has what it was to get.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  enum class Amount : std::uint8_t { kAll, kMissed };
  struct Copied {
    engine::CopyReport report;
    std::uint64_t left_out = 0;
  };
  Result<void> copy(const policy::Place& place, const std::vector<repo::StoredSnapshot>& snapshots,
                    Amount amount);
  Result<Copied> copy_to(const policy::Place& place,
                         const std::vector<repo::StoredSnapshot>& snapshots, Amount amount);
  void tell(const policy::Place& place, const Copied& copied) const;
  void tell_failure(const policy::Place& place, const Error& error) const;

  World world_;
  engine::CopyReport total_;
  bool complete_ = true;
};

// Backs the newest state up to every copy of the set that gets it after each backup. True when all
// have it. `made_now` is the snapshot that the backup made, if any.
Result<bool> copy_after_backup(Context& context, repo::Repository& primary,
                               const GivenCredential& given,
                               const std::optional<snapshot::SnapshotId>& made_now);

}  // namespace backstay::cli
