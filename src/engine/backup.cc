#include "engine/backup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "engine/backup/backup_run.h"
#include "engine/backup/memory_plan.h"
#include "engine/backup/settle_packs.h"
#include "engine/safety_snapshot.h"
#include "engine/series.h"
#include "repo/lease.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

namespace {

using snapshot::BackupType;
using snapshot::Snapshot;

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  const auto repeated = std::ranges::unique(texts);
  texts.erase(repeated.begin(), repeated.end());
  return texts;
}

bool same_series(const Snapshot& snapshot, const BackupOptions& options) {
  return snapshot.host == options.host && snapshot.paths == sorted(options.paths);
}

Result<std::optional<repo::StoredSnapshot>> find_parent(repo::Repository& repository,
                                                        const BackupOptions& options,
                                                        Activity& activity) {
  const auto snapshots = TRY(repository.snapshots([&](const auto& id, const Error& error) {
    activity.note(fmt::format("snapshot {} cannot be read ({}): run 'backstay check'",
                              id.short_hex(), error.describe()));
  }));
  if (!options.parent) return choose_parent(snapshots, options, repository.world().clock.now());
  const auto named = std::ranges::find(snapshots, *options.parent, &repo::StoredSnapshot::id);
  if (named == snapshots.end()) {
    return fail(ErrorCode::kNotFound, "there is no snapshot " + options.parent->short_hex());
  }
  return std::optional(*named);
}

Snapshot describe(const BackupOptions& options, const std::optional<repo::StoredSnapshot>& parent,
                  Timestamp now) {
  Snapshot snapshot;
  if (parent) snapshot.parent = parent->id;
  if (options.copy_of != nullptr) {
    // Names of users come from there, not from this machine.
    snapshot.user_names = options.copy_of->user_names;
    snapshot.group_names = options.copy_of->group_names;
    return snapshot;
  }
  snapshot.started = now;
  snapshot.host = options.host;
  snapshot.user = options.user;
  snapshot.paths = sorted(options.paths);
  snapshot.tags = sorted(options.tags);
  snapshot.description = options.description;
  // Without anything to compare with, everything is read: that is a full backup, whatever was asked
  // for.
  snapshot.type = parent ? options.type : BackupType::kFull;
  snapshot.excludes = options.excludes;
  snapshot.larger_left_out = options.exclude_larger_than;
  for (const std::string& place : sorted(options.places_left_out)) {
    const bool inside = std::ranges::any_of(snapshot.paths, [&](const std::string& path) {
      return snapshot::is_within(snapshot::key_from_path(place), snapshot::key_from_path(path));
    });
    if (inside) snapshot.places_left_out.push_back(place);
  }
  snapshot.program = "backstay 0.1.0";
  return snapshot;
}

// A copy is what the original is, but for where its bytes are.
Result<Snapshot> as_copied(const BackupOptions& options, const Snapshot& made) {
  if (made.stats.errors > 0) {
    return std::unexpected(
        Error(ErrorCode::kCorruption,
              fmt::format("{} of its files cannot be read: it was not copied", made.stats.errors))
            .with_hint("Run 'backstay check --read-data' on the repository that it comes from."));
  }
  Snapshot copy = *options.copy_of;
  if (options.complete_copy) options.complete_copy(made, copy);
  copy.parent = made.parent;
  copy.tree = made.tree;
  copy.stats.bytes_added = made.stats.bytes_added;
  copy.stats.bytes_stored = made.stats.bytes_stored;
  copy.lease.reset();
  return copy;
}

// Half of the point of a backup is to say when there was nothing in it.
Result<void> refuse_when_nothing_was_read(const Snapshot& snapshot, const std::string& hint) {
  const snapshot::SnapshotStats& stats = snapshot.stats;
  if (stats.errors == 0 || stats.files_total > 0) return {};
  // The folders above the paths are always there; others count as read unless each has its error.
  std::size_t above = 0;
  for (const std::string& path : snapshot.paths) {
    const std::string key = snapshot::key_from_path(path);
    above += static_cast<std::size_t>(std::ranges::count(key, '\0')) + (key.empty() ? 0U : 1U);
  }
  if (stats.dirs_total > above + stats.errors) return {};
  constexpr const char* kUsualHint = "Check the paths, and run as a user who may read them.";
  std::string what = "nothing of the source could be read: no snapshot was made";
  if (stats.errors == 1) what += " (" + snapshot.errors.front().message + ")";
  return std::unexpected(Error(ErrorCode::kNotFound, std::move(what))
                             .with_hint(stats.errors == 1 && !hint.empty() ? hint : kUsualHint));
}

// What compares with a snapshot.
Result<void> refuse_what_needs_reading(const BackupOptions& options) {
  if (!options.parent && !options.skip_if_unchanged) return {};
  return std::unexpected(
      Error(ErrorCode::kWrongKey, "the key is write-only: it cannot compare with a snapshot")
          .with_hint("Leave out --parent and --skip-if-unchanged, or use a full key."));
}

Result<std::unique_ptr<repo::Lease>> take_lease(repo::Repository& repository,
                                                const BackupOptions& options) {
  return repository.take_lease(repo::lease_of_this_process("backup", options.host, options.user),
                               repo::LeaseUse::kWriting);
}

// What a collection frees after it ended this run's lease looks as if it were lost.
Error lease_or(Error error, const repo::Lease* lease) {
  const bool is_missed =
      error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kCorruption;
  if (!is_missed || lease == nullptr) return error;
  auto stands = lease->ask();
  return stands ? std::move(error) : std::move(stands).error();
}

Error with_advice(Error error, const BackupOptions& options) {
  if (error.code() != ErrorCode::kCancelled || options.dry_run) return error;
  return std::move(error).with_hint(
      "No snapshot was made. What was stored is kept: run the same command again, and it goes on "
      "from there.");
}

}  // namespace

std::optional<repo::StoredSnapshot> choose_parent(
    const std::vector<repo::StoredSnapshot>& snapshots, const BackupOptions& options,
    Timestamp now) {
  if (options.type == BackupType::kFull) return std::nullopt;
  for (auto it = snapshots.rbegin(); it != snapshots.rend(); ++it) {
    // Else whoever has a write-only key could say what this machine's files hold.
    if (!it->by_full_key) continue;
    if (is_of_the_future(it->snapshot, now)) continue;
    if (is_safety_snapshot(it->snapshot)) continue;
    const bool wanted =
        options.type == BackupType::kIncremental || it->snapshot.type == BackupType::kFull;
    if (wanted && same_series(it->snapshot, options)) return *it;
  }
  return std::nullopt;
}

Result<BackupReport> backup(repo::Repository& repository, const OpenSource& open_source,
                            const BackupOptions& options, Activity& activity) {
  // The lease comes first: from here on no collection takes away what this run may refer to.
  std::unique_ptr<repo::Lease> lease;
  if (!options.dry_run) lease = TRY(take_lease(repository, options));

  // Snapshots before the index: whatever a snapshot refers to is then in the index that is loaded.
  const bool write_only = repository.keyring().is_write_only();
  if (write_only) TRY(refuse_what_needs_reading(options));
  const auto parent = write_only ? std::nullopt : TRY(find_parent(repository, options, activity));
  backup_stages::SettleOptions settle{
      .dry_run = options.dry_run, .write_only = write_only, .damaged_runs = {}};
  TRY_DOING(
      "loading the index", repository.load_index([&](const repo::ObjectId& id, const Error& error) {
        if (error.code() == ErrorCode::kCorruption) settle.damaged_runs.push_back(id);
        if (write_only) {
          activity.note(
              fmt::format("index run {} cannot be read ({}): what it knows may be stored "
                          "again",
                          id.short_hex(), error.describe()));
          return;
        }
        activity.note(fmt::format(
            "index run {} cannot be read ({}): what it knew is looked for in the packs themselves",
            id.short_hex(), error.describe()));
      }));
  TRY(backup_stages::settle_packs(repository, settle, activity));

  BackupReport report;
  report.snapshot = describe(options, parent, repository.world().clock.now());
  if (parent) {
    activity.progress.files_total = parent->snapshot.stats.files_total;
    activity.progress.bytes_total = parent->snapshot.stats.bytes_total;
  }

  // The index only grows from here on.
  const auto plan =
      backup_stages::plan_memory(repository.config(), options.threads, options.memory_limit,
                                 repository.index().totals().entries, options.source_bytes,
                                 backup_stages::route_to(repository.store()));
  const auto parent_tree = parent ? std::optional(parent->snapshot.tree) : std::nullopt;
  backup_stages::BackupRun run(repository, options, plan, parent_tree, activity);
  if (auto ran = run.run(open_source, report.snapshot); !ran) {
    return std::unexpected(with_advice(lease_or(std::move(ran).error(), lease.get()), options));
  }

  // Everything that the tree refers to is durable and findable. What follows is the commit.
  if (options.copy_of != nullptr) {
    report.snapshot = TRY(as_copied(options, report.snapshot));
  } else {
    TRY(refuse_when_nothing_was_read(report.snapshot, run.first_hint()));
    report.snapshot.finished = repository.world().clock.now();
    report.snapshot.status = report.snapshot.stats.errors == 0 ? snapshot::Status::kComplete
                                                               : snapshot::Status::kPartial;
  }
  report.changed_while_read = run.changed_while_read();
  report.skipped_unchanged = options.skip_if_unchanged && !run.found_change();
  if (options.dry_run || report.skipped_unchanged) return report;
  if (options.accept) {
    if (auto accepted = options.accept(report.snapshot); !accepted)
      return std::unexpected(lease_or(std::move(accepted).error(), lease.get()));
  }
  TRY(lease->verify());
  report.snapshot.lease = snapshot::CommitLease{lease->id().bytes};
  report.id = TRY(repository.commit_snapshot(report.snapshot, *lease));
  return report;
}

}  // namespace backstay::engine
