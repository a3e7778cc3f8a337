#include "engine/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/try.h"
#include "engine/backup.h"
#include "snapshot/content.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

namespace {

using foreign::ForeignSnapshot;
using foreign::ForeignSource;
using repo::StoredSnapshot;
using snapshot::Entry;
using snapshot::Snapshot;
using snapshot::SnapshotId;

// What a run of the backup uses while somebody else keeps it.
class BorrowedSource final : public source::Source {
 public:
  explicit BorrowedSource(ForeignSource& source) : source_(source) {}
  Result<std::optional<source::SourceItem>> next() override { return source_.next(); }
  void read_attributes(source::SourceItem& item) override { source_.read_attributes(item); }
  Result<std::unique_ptr<source::FileReader>> open(source::SourceItem& item) override {
    return source_.open(item);
  }

 private:
  ForeignSource& source_;
};

bool same_imported_attributes(Entry one, Entry other) {
  one.content = other.content = {};
  return one == other;
}

std::unexpected<Error> fail_import(const std::string& key, const char* what) {
  return fail(ErrorCode::kCorruption,
              fmt::format("what was stored of {} differs from the original: {}",
                          snapshot::path_from_key(key), what));
}

// The bytes were compared when they were stored; here it is the entries, and that all chunks that
// they name are stored.
Result<void> compare_trees(ForeignSource& original, repo::Repository& to, const Snapshot& made) {
  TRY(original.rewind());
  snapshot::TreeCursor stored(to, made.tree);
  while (true) {
    const auto wanted = TRY(original.next());
    const auto got = TRY(stored.next());
    if (!wanted && !got) return {};
    if (!wanted || !got || wanted->key != got->key)
      return fail_import(wanted ? wanted->key : got->key, "its name");
    if (!same_imported_attributes(wanted->entry, got->entry))
      return fail_import(got->key, "its attributes");
    TRY(snapshot::for_each_extent(
        got->entry.content, got->entry.size_bytes, to,
        [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
          const bool there =
              extent.kind != snapshot::ExtentKind::kChunk || to.index().contains(extent.id);
          return there ? Result<void>{} : fail_import(got->key, "a chunk is missing");
        }));
  }
}

class ImportRun {
 public:
  ImportRun(foreign::ForeignRepository& from, repo::Repository& to, const ImportOptions& options,
            Activity& activity)
      : from_(from), to_(to), options_(options), activity_(activity) {
    hooks_ = {.report = activity.report, .note = activity.note, .stop = activity.stop};
  }

  // Those of our repository, by origin. What was imported before, whatever is imported now, is what
  // new ones are compared with.
  Result<void> learn_what_is_there(const std::vector<ForeignSnapshot>& all) {
    const auto stored = TRY(to_.snapshots([&](const SnapshotId& id, const Error& error) {
      activity_.note(fmt::format("snapshot {} cannot be read ({}): run 'backstay check'",
                                 id.short_hex(), error.describe()));
    }));
    for (const StoredSnapshot& one : stored) {
      if (!one.snapshot.origin.empty()) there_.emplace(one.snapshot.origin, one);
    }
    for (const ForeignSnapshot& one : all) {
      order_.emplace(one.id, order_.size());
      if (const auto* const found = find_imported(one))
        imported_.push_back({.original = one, .stored = *found});
    }
    return {};
  }

  Result<ImportedSnapshot> import(const ForeignSnapshot& original) {
    ImportedSnapshot result{.original = original, .outcome = {}, .id = {}, .failure = {}};
    if (const auto* const found = find_imported(original)) {
      result.outcome = ImportOutcome::kThereAlready;
      result.id = found->id;
      result.original.record.paths = found->snapshot.paths;
      return result;
    }
    Result<void> made = from_.complete(result.original, hooks_);
    result.outcome = ImportOutcome::kWouldBeImported;
    if (made && !options_.dry_run) made = store(result);
    if (made) return result;
    const Error& error = made.error();
    // What is about this snapshot alone must not keep the others from being imported.
    const bool alone = error.code() == ErrorCode::kCorruption ||
                       error.code() == ErrorCode::kNotFound ||
                       error.code() == ErrorCode::kInvalidArgument;  // it cannot be written down
    if (!alone) return std::unexpected(error.clone());
    result.outcome = ImportOutcome::kFailed;
    result.failure = error.describe();
    return result;
  }

 private:
  struct Imported {
    ForeignSnapshot original;
    StoredSnapshot stored;
  };

  // Who can write to the repository that is imported from can name any origin: what says something
  // else of itself is another snapshot.
  [[nodiscard]] const StoredSnapshot* find_imported(const ForeignSnapshot& original) const {
    const auto [begin, end] = there_.equal_range(original.record.origin);
    for (auto it = begin; it != end; ++it) {
      const Snapshot& other = it->second.snapshot;
      const Snapshot& one = original.record;
      // Lists of archives may know whole seconds only.
      if (one.started.seconds == other.started.seconds &&
          one.finished.seconds == other.finished.seconds && one.host == other.host &&
          one.user == other.user)
        return &it->second;
    }
    return nullptr;
  }

  // The last one of the same series before it that our repository has. What comes before what is
  // for the other program to say: its lists may know whole seconds only.
  [[nodiscard]] Imported* find_before(const ForeignSnapshot& original) {
    const auto place = [this](const ForeignSnapshot& one) {
      const auto found = order_.find(one.id);
      return found == order_.end() ? order_.size() : found->second;
    };
    Imported* found = nullptr;
    for (Imported& one : imported_) {
      const Snapshot& other = one.stored.snapshot;
      const bool fits = other.host == original.record.host &&
                        other.paths == original.record.paths &&
                        place(one.original) < place(original);
      if (fits && (found == nullptr || place(one.original) > place(found->original))) found = &one;
    }
    return found;
  }

  // Nothing where what was before cannot be read any more: then everything is read.
  Result<std::unique_ptr<ForeignSource>> open_source(const ForeignSnapshot& original,
                                                     Imported*& before) {
    if (before != nullptr && !from_.complete(before->original, hooks_)) before = nullptr;
    return from_.open(original, before != nullptr ? &before->original : nullptr, hooks_);
  }

  Result<void> store(ImportedSnapshot& result) {
    const ForeignSnapshot& original = result.original;
    Snapshot record = original.record;
    Imported* before = find_before(original);
    const std::unique_ptr<ForeignSource> source = TRY(open_source(original, before));
    record.type =
        before != nullptr ? snapshot::BackupType::kIncremental : snapshot::BackupType::kFull;
    BackupOptions backup_options;
    backup_options.type = record.type;
    backup_options.paths = record.paths;
    backup_options.host = record.host;
    if (before != nullptr) backup_options.parent = before->stored.id;
    backup_options.copy_of = &record;
    backup_options.complete_copy = [&](const Snapshot& made, Snapshot& copy) {
      copy.stats = made.stats;
      copy.user_names = source->names().users;
      copy.group_names = source->names().groups;
    };
    backup_options.accept = [&](const Snapshot& made) { return compare_trees(*source, to_, made); };
    backup_options.compression = options_.compression;
    backup_options.threads = options_.threads;
    backup_options.memory_limit = options_.memory_limit;
    activity_.progress.files_done = activity_.progress.bytes_done = 0;
    activity_.progress.files_total = activity_.progress.bytes_total = 0;
    const OpenSource borrow =
        [&](const source::SourceHooks&) -> Result<std::unique_ptr<source::Source>> {
      return std::make_unique<BorrowedSource>(*source);
    };
    const BackupReport made = TRY(backup(to_, borrow, backup_options, activity_));
    result.outcome = ImportOutcome::kImported;
    result.id = made.id;
    result.bytes_added = made.snapshot.stats.bytes_added;
    result.bytes_stored = made.snapshot.stats.bytes_stored;
    const StoredSnapshot stored{.id = *made.id, .snapshot = made.snapshot};
    there_.emplace(record.origin, stored);
    imported_.push_back({.original = original, .stored = stored});
    return {};
  }

  foreign::ForeignRepository& from_;
  repo::Repository& to_;
  const ImportOptions& options_;
  Activity& activity_;
  foreign::ForeignHooks hooks_;
  std::multimap<std::string, StoredSnapshot> there_;  // by origin
  std::vector<Imported> imported_;
  std::map<std::string, std::size_t, std::less<>> order_;  // by ids
};

void count(const ImportedSnapshot& one, ImportReport& report) {
  report.bytes_added += one.bytes_added;
  report.bytes_stored += one.bytes_stored;
  if (one.outcome == ImportOutcome::kThereAlready) {
    ++report.there_already;
  } else if (one.outcome == ImportOutcome::kFailed) {
    ++report.failed;
  } else {
    ++report.imported;
  }
}

}  // namespace

std::string_view to_string(ImportOutcome outcome) {
  switch (outcome) {
    case ImportOutcome::kImported:
      return "imported";
    case ImportOutcome::kThereAlready:
      return "there_already";
    case ImportOutcome::kFailed:
      return "failed";
    case ImportOutcome::kWouldBeImported:
      return "would_be_imported";
  }
  return "unknown";
}

Result<ImportReport> import_snapshots(foreign::ForeignRepository& from, repo::Repository& to,
                                      const ForeignChoice& choice, const ImportOptions& options,
                                      Activity& activity,
                                      const std::function<void(const ImportedSnapshot&)>& done) {
  ImportRun run(from, to, options, activity);
  TRY(run.learn_what_is_there(choice.all));
  ImportReport report;
  for (const ForeignSnapshot& original : choice.wanted) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const ImportedSnapshot one = TRY(run.import(original));
    count(one, report);
    done(one);
  }
  return report;
}

}  // namespace backstay::engine
