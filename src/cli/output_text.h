// What the commands print for people.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/backup.h"
#include "engine/check.h"
#include "engine/copy.h"
#include "engine/move.h"
#include "engine/notes.h"
#include "engine/restore.h"
#include "engine/stats.h"
#include "repo/lease.h"
#include "repo/repository.h"
#include "snapshot/entry.h"

namespace backstay::cli {

// "-rwsr-xr-x", as ls(1) has it.
[[nodiscard]] std::string permissions_text(const snapshot::Entry& entry);
[[nodiscard]] std::string name_or_number(const std::map<std::uint32_t, std::string>& names,
                                         std::uint32_t number);
// "a, b", for eyes.
[[nodiscard]] std::string comma_list(const std::vector<std::string>& texts);
// "1 file", "2 files", "1,234 files"
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view one);

[[nodiscard]] std::string backup_text(const engine::BackupReport& report, bool dry_run,
                                      double seconds);
// One line of one snapshot, and the last line of all.
[[nodiscard]] std::string copied_text(const engine::CopiedSnapshot& one);
[[nodiscard]] std::string moved_text(const engine::MovedSnapshot& one);
[[nodiscard]] std::string move_text(const engine::MoveReport& report, bool dry_run);
[[nodiscard]] std::string copy_text(const engine::CopyReport& report, bool dry_run, double seconds);
[[nodiscard]] std::string restore_text(const engine::RestoreReport& report, bool dry_run,
                                       double seconds);
[[nodiscard]] std::string snapshots_text(const std::vector<repo::StoredSnapshot>& snapshots,
                                         const engine::BindingHolds& holds,
                                         const std::vector<snapshot::SnapshotId>& staged);
// One line of `ls -l`. Sizes and names are for eyes when `for_terminal`, else exact.
[[nodiscard]] std::string entry_text(std::string_view path, const snapshot::Entry& entry,
                                     const snapshot::Snapshot& snapshot, bool for_terminal);
[[nodiscard]] std::string stats_text(const engine::StatsReport& report,
                                     const repo::StoredSnapshot* of);
[[nodiscard]] std::string check_text(const engine::CheckReport& report, double seconds);
[[nodiscard]] std::string keys_text(const std::vector<repo::KeySlotEntry>& slots);
[[nodiscard]] std::string_view lease_state(const repo::ListedLease& lease);
[[nodiscard]] std::string leases_text(const std::vector<repo::ListedLease>& leases);

}  // namespace backstay::cli
