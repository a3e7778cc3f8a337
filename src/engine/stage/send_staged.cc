#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/backup/memory_plan.h"
#include "engine/backup/settle_packs.h"
#include "engine/copy.h"
#include "engine/stage.h"
#include "engine/stage/chunk_sender.h"
#include "engine/stage/tree_references.h"
#include "repo/lease.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

namespace {

using repo::StoredSnapshot;
using snapshot::Snapshot;
using snapshot::SnapshotId;

// Says the same of itself, and is made of the same chunks: not only somebody's word for it.
bool is_what_was_sent(const Snapshot& staged, const Snapshot& there) {
  return staged.tree == there.tree && staged.started == there.started &&
         staged.host == there.host && staged.paths == there.paths;
}

class SendRun {
 public:
  SendRun(repo::Repository& stage, repo::Repository& remote, const SendOptions& options,
          Activity& activity)
      : stage_(stage), remote_(remote), options_(options), activity_(activity) {}

  Result<SentSnapshot> send(const StoredSnapshot& staged) {
    SentSnapshot result{.staged = staged, .outcome = {}, .sent = {}, .failure = {}};
    // As a backup begins: the lease, the snapshots, the index, the packs.
    const auto lease =
        TRY(remote_.take_lease(repo::lease_of_this_process("backup", options_.host, options_.user),
                               repo::LeaseUse::kWriting));
    result.sent = TRY(find_sent(staged));
    TRY(settle());
    auto transferred = transfer(staged.snapshot, result);
    if (!transferred) {
      // What was freed after the lease was ended looks as if it were lost.
      TRY(lease->ask());
      return std::unexpected(std::move(transferred).error());
    }
    if (!*transferred) return result;
    if (result.sent) {
      result.outcome = SendOutcome::kThereAlready;
      TRY_DOING("making durable what was sent before", make_durable(*result.sent));
    } else {
      TRY(commit(staged, result, *lease));
    }
    ids_[staged.id] = *result.sent;
    TRY_DOING("freeing the stage of snapshot " + staged.id.short_hex() + ", which was sent",
              remove_staged(staged.id));
    return result;
  }

 private:
  using Packs = std::set<std::pair<repo::ObjectId, repo::PackKind>>;

  Result<std::optional<SnapshotId>> find_sent(const StoredSnapshot& staged) {
    if (!there_) there_ = TRY(remote_.snapshots([](const SnapshotId&, const Error&) {}));
    const std::string origin = origin_of(stage_.config().id, staged);
    const auto found = std::ranges::find_if(*there_, [&](const StoredSnapshot& one) {
      return one.snapshot.origin == origin && is_what_was_sent(staged.snapshot, one.snapshot);
    });
    return found == there_->end() ? std::nullopt : std::optional(found->id);
  }

  Result<void> settle() {
    backup_stages::SettleOptions settle{.dry_run = false, .write_only = false, .damaged_runs = {}};
    TRY_DOING("loading the index",
              remote_.load_index([&](const repo::ObjectId& id, const Error& error) {
                if (error.code() == ErrorCode::kCorruption) settle.damaged_runs.push_back(id);
              }));
    return backup_stages::settle_packs(remote_, settle, activity_);
  }

  // False when the snapshot cannot be sent, and `result` says why.
  Result<bool> transfer(const Snapshot& staged, SentSnapshot& result) {
    activity_.progress.bytes_total = staged.stats.bytes_total;
    activity_.progress.bytes_done = 0;
    auto missing = find_missing(staged);
    if (!missing) return give_up(std::move(missing).error(), result);
    if (*missing) {
      result.outcome = SendOutcome::kMissing;
      result.failure = **missing;
      return false;
    }
    auto plan = backup_stages::plan_memory(remote_.config(), options_.threads,
                                           options_.memory_limit, remote_.index().totals().entries,
                                           0, backup_stages::route_to(remote_.store()));
    if (options_.compression) plan.store.compression = *options_.compression;
    staging::ChunkSender sender(stage_, remote_, plan, activity_);
    if (auto sent = send_chunks(staged, sender); !sent) {
      if (sender.failed_in_stage()) return give_up(std::move(sent).error(), result);
      return std::unexpected(std::move(sent).error());
    }
    const auto totals = TRY(sender.finish());
    result.bytes_added = totals.bytes_added;
    result.bytes_stored = totals.bytes_stored;
    TRY(verify(staged, sender));
    return true;
  }

  // Damage in the stage is about this snapshot alone; all else ends the run.
  static Result<bool> give_up(Error error, SentSnapshot& result) {
    if (!repo::is_damage(error.code()) && error.code() != ErrorCode::kNotFound)
      return std::unexpected(std::move(error));
    result.outcome = SendOutcome::kDamaged;
    result.failure = error.describe();
    return false;
  }

  // The first file of which something is neither here nor there, before anything is sent.
  Result<std::optional<std::string>> find_missing(const Snapshot& staged) {
    staging::WatchedReader reader(
        [](const chunk::ChunkRef&) { return Result<void>(); },
        [&](const chunk::ChunkRef& ref) { return staging::read_metadata(stage_, remote_, ref); });
    std::uint64_t count = 0;
    std::string last;
    std::string first;
    TRY(staging::for_each_data_chunk(
        reader, staged.tree,
        [&](const std::string& key, const chunk::ChunkRef& ref) -> Result<void> {
          if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
          if (remote_.index().contains(ref.id) || stage_.index().contains(ref.id)) return {};
          // Its run may be damaged, and its pack whole.
          if (TRY(stage_.locate(ref.id))) return {};
          if (count == 0) first = key;
          if (count == 0 || key != last) ++count;
          last = key;
          return {};
        }));
    if (count == 0) return std::nullopt;
    return fmt::format(
        "of {} the repository had bytes that it does not have any more, the first is {}",
        count == 1 ? "1 file" : fmt::format("{} files", count), snapshot::path_from_key(first));
  }

  Result<void> send_chunks(const Snapshot& staged, staging::ChunkSender& sender) {
    staging::WatchedReader reader(
        [](const chunk::ChunkRef&) { return Result<void>(); },
        [&](const chunk::ChunkRef& ref) { return sender.send_metadata(ref); });
    return staging::for_each_data_chunk(
        reader, staged.tree,
        [&](const std::string&, const chunk::ChunkRef& ref) { return sender.send_data(ref); });
  }

  // That every chunk is in the repository's index, that pages which were sent now are read back as
  // they should be, and that each pack is there which holds what the stage is about to lose.
  Result<void> verify(const Snapshot& staged, const staging::ChunkSender& sender) {
    Packs packs;
    const auto require = [&](const chunk::ChunkRef& ref) -> Result<void> {
      if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      if (!remote_.index().contains(ref.id)) {
        return fail(ErrorCode::kCorruption, "chunk " + ref.id.short_hex() +
                                                " was sent and is not in the repository's index");
      }
      if (!stage_.index().contains(ref.id)) return {};
      if (const auto at = remote_.index().find(ref.id))
        packs.emplace(at->frame.pack, at->frame.pack_kind);
      return {};
    };
    staging::WatchedReader reader(require, [&](const chunk::ChunkRef& ref) {
      return sender.has_sent(ref.id) ? remote_.read(ref)
                                     : staging::read_metadata(stage_, remote_, ref);
    });
    TRY_DOING("reading back what was sent",
              staging::for_each_data_chunk(
                  reader, staged.tree,
                  [&](const std::string&, const chunk::ChunkRef& ref) { return require(ref); }));
    for (const auto& [pack, kind] : packs) {
      TRY_DOING("looking for a pack that was sent",
                remote_.store().head(repo::object_name(repo::object_kind(kind), pack)));
    }
    return {};
  }

  Result<void> commit(const StoredSnapshot& staged, SentSnapshot& result, repo::Lease& lease) {
    Snapshot record = staged.snapshot;
    record.origin = origin_of(stage_.config().id, staged);
    record.stats.bytes_added = result.bytes_added;
    record.stats.bytes_stored = result.bytes_stored;
    // What it was compared with has another name there, or was of the stage alone.
    const auto parent = record.parent ? ids_.find(*record.parent) : ids_.end();
    record.parent = parent == ids_.end() ? std::nullopt : std::optional(parent->second);
    if (!record.parent) record.type = snapshot::BackupType::kFull;
    TRY(lease.verify());
    record.lease = snapshot::CommitLease{lease.id().bytes};
    result.sent = TRY(remote_.commit_snapshot(record, lease));
    const Snapshot again =
        TRY_DOING("reading back the snapshot that was sent", remote_.read_snapshot(*result.sent));
    if (again == record) return {};
    return fail(ErrorCode::kCorruption, "the snapshot that was sent is not read back as it was");
  }

  // Who put it may have been killed before it was.
  Result<void> make_durable(const SnapshotId& sent) {
    TRY(remote_.store().adopt(
        repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{sent.bytes})));
    return remote_.store().barrier();
  }

  Result<void> remove_staged(const SnapshotId& id) {
    TRY(stage_.store().remove(
        repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes})));
    return stage_.store().barrier();
  }

  repo::Repository& stage_;
  repo::Repository& remote_;
  const SendOptions& options_;
  Activity& activity_;
  std::optional<std::vector<StoredSnapshot>> there_;  // nobody else sends what is in the stage
  std::map<SnapshotId, SnapshotId> ids_;              // there, by those in the stage
};

void count(const SentSnapshot& one, SendReport& report) {
  report.bytes_added += one.bytes_added;
  report.bytes_stored += one.bytes_stored;
  if (one.outcome == SendOutcome::kSent) {
    ++report.sent;
  } else if (one.outcome == SendOutcome::kThereAlready) {
    ++report.there_already;
  } else {
    ++report.kept;
  }
}

}  // namespace

std::string_view to_string(SendOutcome outcome) {
  switch (outcome) {
    case SendOutcome::kSent:
      return "sent";
    case SendOutcome::kThereAlready:
      return "there_already";
    case SendOutcome::kMissing:
      return "missing";
    case SendOutcome::kDamaged:
      return "damaged";
  }
  return "unknown";
}

Result<SendReport> send_staged(repo::Repository& stage, repo::Repository& remote,
                               const SendOptions& options, Activity& activity,
                               const std::function<void(const SentSnapshot&)>& done) {
  if (stage.config().id != remote.config().id) {
    return std::unexpected(Error(ErrorCode::kPermissionDenied, "the stage is of another repository")
                               .with_hint("Give each repository a stage of its own."));
  }
  const auto staged = TRY(stage.snapshots([&](const SnapshotId& id, const Error& error) {
    activity.note(
        fmt::format("staged snapshot {} cannot be read ({})", id.short_hex(), error.describe()));
  }));
  stage.recover_when_needed([](const repo::RecoveredPacks&) {});
  TRY_DOING("loading the stage's index", stage.load_index([](const auto&, const Error&) {}));
  SendRun run(stage, remote, options, activity);
  SendReport report;
  for (const StoredSnapshot& one : staged) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const SentSnapshot sent = TRY(run.send(one));
    count(sent, report);
    done(sent);
  }
  return report;
}

}  // namespace backstay::engine
