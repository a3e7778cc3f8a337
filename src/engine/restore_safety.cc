// The order is what makes it safe: the journal says that nothing is changed yet; the snapshot is
// committed; the journal names it, with all that will be made anew; only then the restore begins.
// Whatever stands under a name at the moment in which it is to be replaced or deleted is compared
// with what the snapshot has (restore/saved_states.h), so that what other programs write meanwhile
// stays.
#include "engine/restore_safety.h"

#include <fmt/format.h>

#include <thread>
#include <utility>

#include "base/try.h"
#include "engine/backup.h"
#include "engine/notes.h"
#include "engine/safety_snapshot.h"
#include "io/machine.h"
#include "source/file_source.h"

namespace backstay::engine {
namespace {

// Clocks of file systems stand still for up to 10 ms: what changes after this pause, even within
// the same tick, has a later time than everything before it.
constexpr std::chrono::milliseconds kClockStep{30};
constexpr std::uint32_t kHalfStepNanos = 15'000'000;

Timestamp earlier(Timestamp time, std::uint32_t nanos) {
  if (time.nanos >= nanos) return {time.seconds, time.nanos - nanos};
  return {time.seconds - 1, time.nanos + 1'000'000'000U - nanos};
}

// What helps against the failure itself helps backups; who restores needs another way first.
Error nothing_changed(const Error& error) {
  Error told(error.code(), "keeping what the restore will change, before anything is changed: " +
                               error.describe());
  if (error.code() == ErrorCode::kCancelled)
    return std::move(told).with_hint("Nothing was changed.");
  return std::move(told).with_hint(
      "Nothing was changed. Restore into an empty folder, or give --no-safety-snapshot to go "
      "without a way back: what is replaced or deleted is lost then.");
}

}  // namespace

Result<void> RestoreSafety::keep(const restoring::TargetChanges& changes) {
  const bool needed = options_.when == SafetyOptions::When::kAlways || changes.takes_something();
  if (!needed) {
    saved_.emplace();
    return {};
  }
  const Result<void> kept = save(changes);
  if (!kept) return std::unexpected(nothing_changed(kept.error()));
  return {};
}

Result<void> RestoreSafety::save(const restoring::TargetChanges& changes) {
  if (options_.journals.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "there is no place for the journal: neither XDG_STATE_HOME nor HOME is set");
  }
  if (options_.before_saving) TRY(options_.before_saving());
  target_ = TRY(io::real_path(target_));
  RestoreRecord record;
  record.rollback_of = options_.rollback_of;
  record.started = repository_.world().clock.now();
  record.repository_id = repository_.config().id.hex();
  record.repository = repository_.store().describe();
  record.snapshot = options_.snapshot;
  journal_ = TRY(RestoreJournal::begin(options_.journals, std::move(record),
                                       {.target = target_, .created = changes.created()},
                                       repository_.world().rng));
  if (activity_.note) {
    activity_.note(fmt::format(
        "what the restore will change in {} is kept first, in a safety snapshot", target_));
  }
  std::this_thread::sleep_for(kClockStep);
  const Timestamp began = earlier(repository_.world().clock.now(), kHalfStepNanos);
  snapshot::Snapshot made;
  const snapshot::SnapshotId id = TRY(back_up(changes, made));
  saved_ =
      TRY(restoring::SavedStates::read(repository_, {.tree = made.tree,
                                                     .target = target_,
                                                     .began = began,
                                                     .ended = repository_.world().clock.now()}));
  TRY(hold(id));
  record = journal_->record();
  record.step = RestoreStep::kRestoring;
  record.safety = id.hex();
  return journal_->write(std::move(record));
}

Result<snapshot::SnapshotId> RestoreSafety::back_up(const restoring::TargetChanges& changes,
                                                    snapshot::Snapshot& made) {
  BackupOptions options;
  options.type = snapshot::BackupType::kFull;
  options.paths = {target_};
  options.tags = {std::string(kSafetyTag)};
  options.host = options_.host;
  options.user = options_.user;
  options.description = safety_description(journal_->record().id);
  // Only a part of the target is in it: nobody may take what it does not have for deleted.
  options.excludes = {"*"};
  options.threads = options_.threads;
  options.memory_limit = options_.memory_limit;
  source::FileSourceOptions files;
  files.paths = {target_};
  files.never = options_.never;
  const std::size_t root = target_ == "/" ? 0 : target_.size();
  files.selects = [&changes, root](const std::string& path) {
    return changes.touches(std::string_view(path).substr(root));
  };
  Progress progress;
  Activity activity{
      .progress = progress,
      .stop = activity_.stop,
      .report =
          [this](const std::string& path, const Error& error) {
            if (activity_.note)
              activity_.note(fmt::format("{} cannot be kept, and so is not changed: {}", path,
                                         error.describe()));
          },
      .note = activity_.note};
  BackupReport report = TRY(backup(
      repository_,
      [&](source::SourceHooks hooks) {
        return source::open_file_source(files, std::move(hooks.report));
      },
      options, activity));
  made = std::move(report.snapshot);
  return *report.id;
}

Result<void> RestoreSafety::hold(const snapshot::SnapshotId& id) {
  const Timestamp now = repository_.world().clock.now();
  repo::Hold made;
  made.until = Timestamp{now.seconds + std::chrono::seconds(options_.held_for).count(), now.nanos};
  made.reason = fmt::format("restore {} can be rolled back", journal_->record().id);
  made.author = {.time = now, .host = options_.host, .user = options_.user};
  TRY_DOING("holding the safety snapshot", engine::hold(repository_, {id}, made, options_.wait));
  return {};
}

Result<void> RestoreSafety::finish(const RestoreReport& report,
                                   std::optional<std::int64_t> check_exit) {
  if (journal_ == nullptr) return {};
  RestoreRecord record = journal_->record();
  record.step = report.errors > 0 ? RestoreStep::kPartial : RestoreStep::kDone;
  record.ended = repository_.world().clock.now();
  record.files_restored = report.files_restored;
  record.files_deleted = report.files_deleted;
  record.bytes_written = report.bytes_written;
  record.errors = report.errors;
  if (options_.validates) record.validated_bytes = report.bytes_verified;
  record.validation_errors = report.differences;
  record.check_exit = check_exit;
  return journal_->write(std::move(record));
}

Result<RestoreReport> roll_back(repo::Repository& repository, const repo::StoredSnapshot& safety,
                                const RestorePaths& paths, RestoreOptions options,
                                Activity& activity) {
  options.id = safety.id;
  options.target = paths.target;
  options.subpath = paths.target == "/" ? "" : paths.target;
  options.overwrite = Overwrite::kAlways;
  options.replace_folder_links = true;
  options.clear_first = paths.created;
  return restore(repository, safety.snapshot, options, activity);
}

}  // namespace backstay::engine
