// JSON lines of the commands, as docs/json describes them.
#pragma once

#include <optional>
#include <string_view>

#include "engine/backup.h"
#include "engine/check.h"
#include "engine/copy.h"
#include "engine/move.h"
#include "engine/notes.h"
#include "engine/restore.h"
#include "engine/self_test.h"
#include "engine/stats.h"
#include "json/json_fwd.h"
#include "repo/lease.h"
#include "repo/repository.h"
#include "snapshot/entry.h"

namespace backstay::cli {

[[nodiscard]] json::Json time_or_null(const std::optional<Timestamp>& time);
[[nodiscard]] json::Json error_line(const Error& error);
[[nodiscard]] json::Json backup_summary(const engine::BackupReport& report, double seconds);
[[nodiscard]] json::Json deleted_line(const std::string& path, snapshot::EntryType type);
[[nodiscard]] json::Json copied_line(const engine::CopiedSnapshot& one);
[[nodiscard]] json::Json moved_line(const engine::MovedSnapshot& one);
// `moved` where originals were to go.
[[nodiscard]] json::Json copy_summary(const engine::CopyReport& report,
                                      const std::optional<engine::MoveReport>& moved,
                                      double seconds);
[[nodiscard]] json::Json restore_summary(const engine::RestoreReport& report, double seconds);
[[nodiscard]] json::Json snapshot_line(const repo::StoredSnapshot& stored,
                                       const engine::BindingHolds& holds);
[[nodiscard]] json::Json entry_line(std::string_view path, const snapshot::Entry& entry,
                                    const snapshot::Snapshot& snapshot);
[[nodiscard]] json::Json stats_line(const engine::StatsReport& report,
                                    const repo::StoredSnapshot* of);
[[nodiscard]] json::Json affected_line(const engine::Affected& affected);
[[nodiscard]] json::Json damage_line(const engine::Damage& damage);
[[nodiscard]] json::Json check_summary(const engine::CheckReport& report, double seconds);
[[nodiscard]] json::Json key_line(const repo::KeySlotEntry& slot);
[[nodiscard]] json::Json lease_line(const repo::ListedLease& lease);
[[nodiscard]] json::Json self_test_line(const engine::SelfTestStep& step);

}  // namespace backstay::cli
