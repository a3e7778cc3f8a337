#include "engine/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/backup.h"
#include "engine/copy/carried_notes.h"
#include "engine/copy/snapshot_source.h"
#include "engine/copy/tree_pairs.h"
#include "engine/forget.h"
#include "engine/notes.h"
#include "engine/restore/read_lease.h"
#include "engine/store_lock.h"
#include "io/machine.h"
#include "snapshot/content.h"

namespace backstay::engine {

namespace {

using repo::StoredSnapshot;
using snapshot::Snapshot;
using snapshot::SnapshotId;

// The bytes were compared when they were stored; here it is the entries, and that all chunks that
// they name are stored.
Result<void> compare_trees(repo::Repository& from, const Snapshot& original, repo::Repository& to,
                           const Snapshot& made) {
  copying::TreePairs pairs(from, original.tree, to, made.tree);
  while (const auto pair = TRY(pairs.next())) {
    const snapshot::TreeItem& got = pair->copy;
    TRY(snapshot::for_each_extent(
        got.entry.content, got.entry.size_bytes, to,
        [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
          const bool there =
              extent.kind != snapshot::ExtentKind::kChunk || to.index().contains(extent.id);
          return there ? Result<void>{} : copying::fail_comparison(got.key, "a chunk is missing");
        }));
  }
  return {};
}

class CopyRun {
 public:
  // The lease is that of `from`, null where there is none.
  CopyRun(repo::Repository& from, const restoring::LeasePtr& lease, repo::Repository& to,
          const CopyOptions& options, Activity& activity)
      : from_(from), lease_(lease), to_(to), options_(options), activity_(activity) {}

  // Those of the other repository, by origin.
  Result<void> learn_what_is_there() {
    const auto stored = TRY(to_.snapshots([&](const SnapshotId& id, const Error& error) {
      activity_.note(fmt::format("snapshot {} cannot be read ({}): run 'backstay check'",
                                 id.short_hex(), error.describe()));
    }));
    for (const SnapshotId& id : TRY(to_.list_snapshots())) known_.insert(id);
    for (const StoredSnapshot& one : stored) there_.emplace(origin_of(to_.config().id, one), one);
    // What was copied before, whatever is copied now, is what new copies are compared with.
    const auto originals = TRY(from_.snapshots([](const SnapshotId&, const Error&) {}));
    for (const StoredSnapshot& one : originals) {
      if (const auto copy = find_copy(one)) copied_.push_back({one, *copy});
    }
    if (options_.dry_run) return {};
    const auto now = TRY(time_of_store(from_));
    auto notes = TRY(copying::Notes::of(from_));
    auto there = TRY(copying::Notes::of(to_));
    carrier_.emplace(to_, std::move(notes), std::move(there),
                     now.value_or(from_.world().clock.now()), options_.wait);
    return {};
  }

  Result<CopiedSnapshot> copy(const StoredSnapshot& original) {
    CopiedSnapshot result{.original = original, .outcome = {}, .copy = {}, .failure = {}};
    result.copy = find_copy(original);
    if (result.copy) {
      result.outcome = CopyOutcome::kThereAlready;
    } else if (!original.tags_known) {
      result.outcome = CopyOutcome::kFailed;
      result.failure = "a change of its tags cannot be read; run 'backstay check'";
    } else if (options_.dry_run) {
      result.outcome = CopyOutcome::kWouldBeCopied;
    } else {
      TRY(store(original, result));
      if (result.copy) copied_.push_back({original, *result.copy});
    }
    if (!result.copy || options_.dry_run) return result;
    auto carried = carry_notes(result);
    if (!carried) {
      if (!TRY(gave_way(original, result))) return std::unexpected(std::move(carried).error());
      TRY(carry_notes(result));
    }
    return result;
  }

 private:
  // Who can write to the repository that is copied from can name any origin: what is another backup
  // is no copy.
  [[nodiscard]] std::optional<SnapshotId> find_copy(const StoredSnapshot& original) const {
    const auto [begin, end] = there_.equal_range(origin_of(from_.config().id, original));
    const Snapshot& one = original.snapshot;
    for (auto it = begin; it != end; ++it) {
      const Snapshot& other = it->second.snapshot;
      if (one.started == other.started && one.finished == other.finished &&
          one.host == other.host && one.user == other.user && one.paths == other.paths &&
          one.stats.files_total == other.stats.files_total &&
          one.stats.bytes_total == other.stats.bytes_total)
        return it->second.id;
    }
    return std::nullopt;
  }

  // What another copy has stored since. Not confirmed by it yet perhaps; if it takes that back, the
  // next copy makes it.
  Result<std::optional<SnapshotId>> copied_meanwhile(const StoredSnapshot& original) {
    for (const SnapshotId& id : TRY(to_.list_snapshots())) {
      if (!known_.insert(id).second) continue;
      auto found = to_.read_snapshot(id);
      if (!found || !to_.counts(id, *found)) continue;
      StoredSnapshot one{.id = id, .snapshot = *std::move(found)};
      std::string origin = origin_of(to_.config().id, one);
      there_.emplace(std::move(origin), std::move(one));
    }
    return find_copy(original);
  }

  // Of two that were made at the same moment, the one that the store had first stays. That is not
  // always the one that could be seen first; but whoever's came to be seen last sees both, and
  // removes the one that goes, also when it is not its own.
  Result<void> give_way(const StoredSnapshot& original, CopiedSnapshot& result) {
    const auto other = TRY(copied_meanwhile(original));
    if (!other || *other == *result.copy) return {};
    const auto order = [&](const SnapshotId& id) -> Result<std::pair<Timestamp, SnapshotId>> {
      const auto info = TRY(to_.store().head(
          repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes})));
      return std::pair(info.modified, id);
    };
    const auto theirs = order(*other);
    const auto ours = order(*result.copy);
    if (!theirs || !ours) return {};
    const bool stays = *ours < *theirs;
    const SnapshotId goes = stays ? *other : *result.copy;
    ForgetOptions options;
    options.named = {goes};
    options.host = io::hostname();
    options.user = io::user_name();
    const auto gone = forget(to_, options, {}, activity_);
    if (!gone && !TRY(is_gone(goes))) {
      activity_.note(
          fmt::format("another run has copied snapshot {} at the same time: it is there "
                      "twice ({})",
                      original.id.short_hex(), gone.error().describe()));
      return {};
    }
    if (stays) return {};
    result.copy = other;
    result.outcome = CopyOutcome::kThereAlready;
    return {};
  }

  Result<bool> is_gone(const SnapshotId& id) {
    const auto head =
        to_.store().head(repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes}));
    if (head) return false;
    if (head.error().code() == ErrorCode::kNotFound) return true;
    return std::unexpected(head.error().clone());
  }

  // True when another run has removed the copy, and has one that stays.
  Result<bool> gave_way(const StoredSnapshot& original, CopiedSnapshot& result) {
    if (!TRY(is_gone(*result.copy))) return false;
    std::erase_if(there_, [&](const auto& one) { return one.second.id == *result.copy; });
    const auto other = TRY(copied_meanwhile(original));
    if (!other) return false;
    result.copy = other;
    result.outcome = CopyOutcome::kThereAlready;
    return true;
  }

  // A copy that was forgotten at this moment is made again by the next run.
  Result<void> carry_notes(CopiedSnapshot& result) {
    const auto carried = carrier_->carry(result.original.id, *result.copy);
    if (!carried) {
      return std::unexpected(carried.error().clone().with_context(
          "carrying along what is said about snapshot " + result.original.id.short_hex()));
    }
    result.notes_carried = carried->notes;
    if (carried->held_by_unreadable) {
      activity_.note(
          fmt::format("snapshot {} is held by a hold that cannot be read: its copy is "
                      "not",
                      result.original.id.short_hex()));
    }
    if (!carried->locked_until || !to_.store().capabilities().object_lock) return {};
    TRY_DOING("locking the copy of snapshot " + result.original.id.short_hex(),
              lock_in_store(to_, {*result.copy}, *carried->locked_until, activity_));
    return {};
  }

  // The last one of the same series that the other repository has.
  [[nodiscard]] const std::pair<StoredSnapshot, SnapshotId>* find_before(
      const StoredSnapshot& original) const {
    const auto same_series = [&](const auto& pair) {
      return pair.first.snapshot.host == original.snapshot.host &&
             pair.first.snapshot.paths == original.snapshot.paths;
    };
    const std::pair<StoredSnapshot, SnapshotId>* found = nullptr;
    for (const auto& pair : copied_) {
      const bool newer =
          found == nullptr || pair.first.snapshot.started > found->first.snapshot.started;
      if (newer && same_series(pair)) found = &pair;
    }
    return found;
  }

  // With the tags that it was made with: their changes are carried one by one. Nothing when it
  // cannot be had, and then the result says so.
  Result<std::optional<Snapshot>> read_original(const StoredSnapshot& original,
                                                CopiedSnapshot& result) {
    auto committed = from_.read_snapshot(original.id);
    if (!committed && committed.error().code() != ErrorCode::kNotFound &&
        committed.error().code() != ErrorCode::kCorruption)
      return std::unexpected(std::move(committed).error());
    if (!committed && committed.error().code() == ErrorCode::kNotFound) {
      result.outcome = CopyOutcome::kForgotten;
      return std::nullopt;
    }
    if (!committed) {
      result.outcome = CopyOutcome::kFailed;
      result.failure = committed.error().describe();
      return std::nullopt;
    }
    return *std::move(committed);
  }

  Result<void> store(const StoredSnapshot& original, CopiedSnapshot& result) {
    auto read = TRY(read_original(original, result));
    if (!read) return {};
    Snapshot record = *std::move(read);
    record.by_write_only_key = !original.by_full_key;
    record.origin = origin_of(from_.config().id, original);
    const auto* const before = find_before(original);
    BackupOptions backup_options;
    backup_options.type =
        before != nullptr ? snapshot::BackupType::kIncremental : snapshot::BackupType::kFull;
    backup_options.paths = record.paths;
    backup_options.host = record.host;
    const SnapshotId before_copy = before != nullptr ? before->second : SnapshotId{};
    if (before != nullptr) backup_options.parent = before_copy;
    backup_options.copy_of = &record;
    backup_options.compression = options_.compression;
    backup_options.threads = options_.threads;
    backup_options.memory_limit = options_.memory_limit;
    backup_options.source_bytes = copying::memory_of_source(from_);
    const OpenSource open_source =
        [&](const source::SourceHooks&) -> Result<std::unique_ptr<source::Source>> {
      const auto tree =
          before != nullptr ? std::optional(before->first.snapshot.tree) : std::nullopt;
      return std::make_unique<copying::SnapshotSource>(from_, original.snapshot.tree, tree);
    };
    activity_.progress.files_done = activity_.progress.bytes_done = 0;
    std::optional<SnapshotId> other;
    backup_options.accept = [&](const Snapshot& made) -> Result<void> {
      TRY(compare_trees(from_, original.snapshot, to_, made));
      other = TRY(copied_meanwhile(original));
      return other ? fail(ErrorCode::kAlreadyExists, "another run has copied it") : Result<void>();
    };
    const Result<BackupReport> made = backup(to_, open_source, backup_options, activity_);
    if (other) {
      result.copy = other;
      result.outcome = CopyOutcome::kThereAlready;
      return {};
    }
    if (made) {
      result.copy = made->id;
      result.bytes_added = made->snapshot.stats.bytes_added;
      result.bytes_stored = made->snapshot.stats.bytes_stored;
      known_.insert(*made->id);
      TRY(give_way(original, result));
      if (result.copy == made->id)
        there_.emplace(record.origin, StoredSnapshot{.id = *made->id, .snapshot = record});
      return {};
    }
    const Error& error = made.error();
    // Another run may have removed the copy that this one builds upon, and keeps its own.
    if (before != nullptr && error.code() == ErrorCode::kNotFound && TRY(is_gone(before_copy))) {
      std::erase_if(copied_, [&](const auto& pair) { return pair.second == before_copy; });
      return store(original, result);
    }
    // What is about this snapshot alone must not keep the others from being copied.
    if (error.code() != ErrorCode::kCorruption && error.code() != ErrorCode::kNotFound)
      return std::unexpected(error.clone());
    // What was freed after the lease was ended looks as if it were lost.
    TRY(restoring::require_lease(lease_));
    result.outcome = CopyOutcome::kFailed;
    result.failure = error.describe();
    return {};
  }

  repo::Repository& from_;
  const restoring::LeasePtr& lease_;
  repo::Repository& to_;
  const CopyOptions& options_;
  Activity& activity_;
  std::multimap<std::string, StoredSnapshot> there_;  // by origin
  std::set<SnapshotId> known_;                        // all that were listed there
  std::optional<copying::NoteCarrier> carrier_;       // none in a dry run
  std::vector<std::pair<StoredSnapshot, SnapshotId>> copied_;
};

void count(const CopiedSnapshot& one, CopyReport& report) {
  report.bytes_added += one.bytes_added;
  report.bytes_stored += one.bytes_stored;
  report.notes_carried += one.notes_carried;
  if (one.outcome == CopyOutcome::kThereAlready) {
    ++report.there_already;
  } else if (one.outcome == CopyOutcome::kForgotten) {
    ++report.forgotten;
  } else if (one.outcome == CopyOutcome::kFailed) {
    ++report.failed;
  } else {
    ++report.copied;
  }
}

}  // namespace

std::string_view to_string(CopyOutcome outcome) {
  switch (outcome) {
    case CopyOutcome::kCopied:
      return "copied";
    case CopyOutcome::kThereAlready:
      return "there_already";
    case CopyOutcome::kForgotten:
      return "forgotten";
    case CopyOutcome::kFailed:
      return "failed";
    case CopyOutcome::kWouldBeCopied:
      return "would_be_copied";
  }
  return "unknown";
}

std::string origin_of(const repo::RepositoryId& repository, const StoredSnapshot& stored) {
  if (!stored.snapshot.origin.empty()) return stored.snapshot.origin;
  return fmt::format("backstay:{}/{}", repository.hex(), stored.id.hex());
}

Result<CopyReport> copy(repo::Repository& from, repo::Repository& to,
                        const std::vector<StoredSnapshot>& snapshots, const CopyOptions& options,
                        Activity& activity,
                        const std::function<void(const CopiedSnapshot&)>& done) {
  if (from.config().id == to.config().id) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "both are the same repository")
            .with_hint("Give the repository to copy from with --repo and the other with --to."));
  }
  const restoring::LeasePtr lease = TRY(restoring::take_read_lease(from, "copy", activity));
  CopyRun run(from, lease, to, options, activity);
  TRY(run.learn_what_is_there());
  CopyReport report;
  for (const StoredSnapshot& original : snapshots) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const CopiedSnapshot one = TRY(run.copy(original));
    count(one, report);
    done(one);
  }
  return report;
}

}  // namespace backstay::engine
