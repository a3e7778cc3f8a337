#include "engine/backup/backup_run.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "base/try.h"
#include "crypto/hash.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::backup_stages {

namespace {

constexpr std::size_t kBatchFiles =
    32;  // small files that one reader takes at once: neighbours compress well
constexpr std::size_t kBatchReach = 128;   // entries walked before a batch goes out, full or not
constexpr std::size_t kPushedAtOnce = 64;  // entries that need no reading
constexpr std::size_t kFoundAtOnce = 64;   // entries that the walk hands on
constexpr std::size_t kFoundAhead = 4;     // times as many
constexpr std::size_t kNameBufferBytes = 16 * 1024;

repo::StoreSession::Options store_options(const MemoryPlan& plan, const BackupOptions& options) {
  repo::StoreSession::Options store = plan.store;
  if (options.compression) store.compression = *options.compression;
  return store;
}

std::string name_of_user(std::uint32_t uid) {
  std::vector<char> buffer(kNameBufferBytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return {};
  return found->pw_name;
}

std::string name_of_group(std::uint32_t gid) {
  std::vector<char> buffer(kNameBufferBytes);
  group entry{};
  group* found = nullptr;
  if (getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return {};
  return found->gr_name;
}

}  // namespace

BackupRun::BackupRun(repo::Repository& repository, const BackupOptions& options,
                     const MemoryPlan& plan, const std::optional<snapshot::TreeRoot>& parent,
                     Activity& activity)
    : repository_(repository),
      options_(options),
      plan_(plan),
      activity_(activity),
      session_(
          repository, store_options(plan, options),
          options.dry_run ? repo::StoreSession::Mode::kDryRun : repo::StoreSession::Mode::kStore),
      encoders_(session_, plan.encoders, plan.slab_bytes, plan.slabs,
                [this](Error error) { stop_with(std::move(error)); }),
      meta_(repository, session_, encoders_),
      found_(kFoundAhead),
      changes_(
          repository, parent, options.paths,
          [this](source::SourceItem& item) { source_->read_attributes(item); }, activity),
      chunker_(chunk::GearTable::from_key(repository.keyring().chunker_key),
               repository.config().cut),
      ordered_(plan.entries_in_flight),
      to_read_(plan.readers * 4) {}

BackupRun::~BackupRun() = default;

void BackupRun::stop_with(Error error) {
  {
    const MutexLock lock(mutex_);
    if (!failure_) failure_ = std::move(error);
  }
  ended_early_.request_stop();
  found_.abort();
  ordered_.stop();
  to_read_.abort();
  encoders_.abort();
}

Result<void> BackupRun::check_failure() {
  const MutexLock lock(mutex_);
  if (failure_) return std::unexpected(failure_->clone());
  return {};
}

void BackupRun::report(const std::string& path, const Error& error) {
  const bool vanished = error.code() == ErrorCode::kNotFound &&
                        std::ranges::find(options_.paths, path) == options_.paths.end();
  if (vanished && options_.vanishing == Vanishing::kIsNormal) return;
  const std::string shown = snapshot::shortened(path);
  {
    const MutexLock lock(mutex_);
    if (errors_++ == 0) first_hint_ = error.hint();
    if (recorded_.size() < snapshot::kRecordedErrorsMax)
      recorded_.push_back({shown, snapshot::shortened(error.describe())});
  }
  activity_.progress.errors += 1;
  activity_.report(shown, error);
}

std::string BackupRun::first_hint() const {
  const MutexLock lock(mutex_);
  return first_hint_;
}

// ---- walk

void BackupRun::walk_all() {
  auto walked = walk();
  if (!walked) return stop_with(std::move(walked).error());
  found_.close();
}

Result<void> BackupRun::walk() {
  std::vector<source::SourceItem> found;
  while (true) {
    found.reserve(kFoundAtOnce);
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    auto item = TRY(source_->next());
    const bool more = item.has_value();
    if (more) found.push_back(std::move(*item));
    const bool to_push = more ? found.size() == kFoundAtOnce : !found.empty();
    if (to_push && !found_.push(std::exchange(found, {}))) return {};
    if (!more) return {};
  }
}

// ---- compare

void BackupRun::compare_all() {
  Batch batch;
  while (auto found = found_.pop()) {
    for (source::SourceItem& item : *found) {
      if (!take(std::move(item), batch)) return;
    }
  }
  if (ended_early_.stop_requested()) return;
  changes_.finish();
  if (!hand_over(batch) || !push_walked()) return;
  ordered_.close();
  to_read_.close();
}

// False when the run is being stopped.
bool BackupRun::take(source::SourceItem item, Batch& batch) {
  const auto pending = std::make_shared<PendingEntry>(PendingEntry{.item = std::move(item)});
  PendingEntry& entry = *pending;
  entry.compared = changes_.compare(entry.item);
  const bool regular = entry.item.entry.type == snapshot::EntryType::kFile;
  const bool to_be_read = regular && entry.compared != Compared::kUnmodified;
  entry.done = !to_be_read;
  const std::uint64_t size = entry.item.entry.size_bytes;
  if (regular && !to_be_read) activity_.progress.bytes_done += size;
  // An entry that waits in the batch must not wait for one behind it, so the batch goes out in
  // time.
  ++walked_since_batch_;
  if (walked_since_batch_ >= kBatchReach && !batch.empty() && !hand_over(batch)) return false;
  walked_.push_back(pending);
  if (!to_be_read) return walked_.size() < kPushedAtOnce || push_walked();
  if (batch.empty()) walked_since_batch_ = 0;
  batch.push_back(pending);
  batch_bytes_ += size;
  const bool full = batch.size() >= kBatchFiles || batch_bytes_ >= repository_.config().frame_bytes;
  return !full || hand_over(batch);
}

bool BackupRun::hand_over(Batch& batch) {
  walked_since_batch_ = 0;
  batch_bytes_ = 0;
  if (batch.empty()) return true;
  // Who reads an entry finishes it, so it is in order by then.
  return push_walked() && to_read_.push(std::exchange(batch, {}));
}

bool BackupRun::push_walked() {
  return ordered_.push(walked_);
}

// ---- read

void BackupRun::read_all() {
  ContentReader reader({.repository = repository_,
                        .session = session_,
                        .encoders = encoders_,
                        .lists = meta_,
                        .source = *source_,
                        .chunker = chunker_,
                        .cutting = options_.cutting,
                        .bytes_read = bytes_read_,
                        .activity = activity_});
  while (const auto batch = to_read_.pop()) {
    for (const auto& entry : *batch) read_one(reader, *entry);
    ordered_.finish(*batch);
  }
  reader.flush();
}

void BackupRun::read_one(ContentReader& reader, PendingEntry& entry) {
  const std::string path = snapshot::path_from_key(entry.item.key);
  activity_.progress.set_current(path);
  const bool known = entry.item.entry.changed_while_read;  // of a copy: said when it was made
  auto read = reader.read(entry.item);
  if (read) {
    if (entry.item.entry.changed_while_read && !known) {
      changed_while_read_ += 1;
      report(path, Error(ErrorCode::kConflict, "the file changed while it was read"));
    }
    return;
  }
  entry.dropped = true;
  // A copy is whole or is not made: what comes after would be stored for nothing.
  if (options_.copy_of != nullptr)
    return stop_with(std::move(read).error().with_context("reading " + path));
  if (activity_.stop.stop_requested()) stop_with(Error(ErrorCode::kCancelled, "interrupted"));
  if (read.error().code() == ErrorCode::kCancelled && ended_early_.stop_requested()) return;
  report(path, read.error());
}

// ---- tree

void BackupRun::count(const PendingEntry& entry, snapshot::Snapshot& snapshot) {
  const snapshot::Entry& kept = entry.item.entry;
  snapshot::SnapshotStats& stats = snapshot.stats;
  if (!snapshot.user_names.contains(kept.uid))
    snapshot.user_names[kept.uid] = name_of_user(kept.uid);
  if (!snapshot.group_names.contains(kept.gid))
    snapshot.group_names[kept.gid] = name_of_group(kept.gid);
  if (kept.type == snapshot::EntryType::kDirectory) {
    ++stats.dirs_total;
    return;
  }
  ++stats.files_total;
  activity_.progress.files_done += 1;
  if (kept.type == snapshot::EntryType::kFile) stats.bytes_total += kept.size_bytes;
  switch (entry.compared) {
    case Compared::kNew:
      ++stats.files_new;
      break;
    case Compared::kChanged:
      ++stats.files_changed;
      break;
    case Compared::kUnmodified:
      ++stats.files_unmodified;
      break;
  }
}

// False when the entry cannot be kept. Attributes that are too much are given up before the file
// is.
bool BackupRun::encode(snapshot::TreeBuilder& tree, snapshot::Entry& entry,
                       const std::string& key) {
  Result<void> encoded = tree.encode(entry);
  if (encoded) return true;
  if (!entry.xattrs.empty()) {
    entry.xattrs.clear();
    if (tree.encode(entry)) {
      report(snapshot::path_from_key(key),
             std::move(encoded).error().with_context("it is kept without extended attributes"));
      return true;
    }
  }
  report(snapshot::path_from_key(key), encoded.error());
  return false;
}

Result<snapshot::TreeRoot> BackupRun::build_tree(snapshot::Snapshot& snapshot) {
  const crypto::Secret page_key =
      crypto::derive_key("backstay v1 tree pages", repository_.keyring().chunker_key.view());
  snapshot::TreeBuilder tree(meta_, page_key);
  for (auto entries = ordered_.pop(); !entries.empty(); entries = ordered_.pop()) {
    for (const auto& entry : entries) {
      if (entry->dropped) continue;
      if (!encode(tree, entry->item.entry, entry->item.key)) continue;
      TRY(tree.add_encoded(entry->item.key));
      count(*entry, snapshot);
    }
  }
  TRY(check_failure());
  return tree.finish();
}

// ---- all together

Result<void> BackupRun::finish(snapshot::Snapshot& snapshot) {
  TRY(meta_.flush());
  encoders_.drain();
  TRY(check_failure());
  if (!options_.skip_if_unchanged || found_change()) TRY(session_.flush());
  const repo::StoreSession::Totals totals = session_.totals();
  snapshot.stats.bytes_read = bytes_read_;
  snapshot.stats.bytes_added = totals.bytes_added;
  snapshot.stats.bytes_stored = totals.bytes_stored;
  snapshot.stats.files_deleted = changes_.deleted();
  std::erase_if(snapshot.user_names, [](const auto& pair) { return pair.second.empty(); });
  std::erase_if(snapshot.group_names, [](const auto& pair) { return pair.second.empty(); });
  const MutexLock lock(mutex_);
  snapshot.stats.errors = errors_;
  snapshot.errors = recorded_;
  return {};
}

Result<snapshot::TreeRoot> BackupRun::run_stages(snapshot::Snapshot& snapshot) {
  std::vector<std::jthread> threads;
  threads.emplace_back([this] { walk_all(); });
  threads.emplace_back([this] { compare_all(); });
  for (std::size_t i = 0; i < plan_.readers; ++i) threads.emplace_back([this] { read_all(); });
  auto root = build_tree(snapshot);
  // A tree that failed on its own (a full store) must not leave the others waiting for it.
  if (!root) stop_with(root.error().clone());
  return root;
}

Result<void> BackupRun::run(const OpenSource& open_source, snapshot::Snapshot& snapshot) {
  source_ = TRY(open_source(
      {.report = [this](const std::string& path, const Error& error) { report(path, error); },
       .stop = ended_early_.get_token()}));
  const std::stop_callback interrupted(
      activity_.stop, [this] { stop_with(Error(ErrorCode::kCancelled, "interrupted")); });
  const Result<snapshot::TreeRoot> root = run_stages(snapshot);
  if (root) {
    snapshot.tree = *root;
    auto finished = finish(snapshot);
    if (finished) return {};
    stop_with(std::move(finished).error());
  }
  encoders_.drain();
  auto failure = check_failure();
  if (!failure && failure.error().code() == ErrorCode::kCancelled) {
    // Keeps what was stored; when even that fails, the next run stores it again.
    (void)session_.flush();
  }
  return failure;
}

}  // namespace backstay::engine::backup_stages
