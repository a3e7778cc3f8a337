// The stages of one backup, joined: walk -> compare -> read -> encode -> pack, and beside them the
// tree.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bounded_queue.h"
#include "engine/backup.h"
#include "engine/backup/change_detector.h"
#include "engine/backup/content_reader.h"
#include "engine/backup/frame_stage.h"
#include "engine/backup/memory_plan.h"
#include "engine/backup/ordered_entries.h"

namespace backstay::engine::backup_stages {

class BackupRun {
 public:
  BackupRun(repo::Repository& repository, const BackupOptions& options, const MemoryPlan& plan,
            const std::optional<snapshot::TreeRoot>& parent, Activity& activity);
  ~BackupRun();

  // Runs all stages to the end of the source. Fills in tree, counts, names and errors of
  // `snapshot`; everything that the tree refers to is durable and indexed when it returns.
  // cancelled when asked to stop: what was stored until then is indexed and reused by the next run.
  // With skip_if_unchanged and nothing found to be different, nothing is stored at all.
  Result<void> run(const OpenSource& open_source, snapshot::Snapshot& snapshot);
  // After the run: files that were read while somebody wrote to them. They are among the errors.
  [[nodiscard]] std::uint64_t changed_while_read() const { return changed_while_read_.load(); }
  // What the first error that a source had advises; empty when there was none.
  [[nodiscard]] std::string first_hint() const EXCLUDES(mutex_);
  // After the run: whether anything but the folders above the given paths differs from the parent.
  [[nodiscard]] bool found_change() const { return changes_.found_change(); }

 private:
  using Batch = OrderedEntries::Entries;

  Result<snapshot::TreeRoot> run_stages(snapshot::Snapshot& snapshot);
  void walk_all();
  Result<void> walk();
  void compare_all();
  bool take(source::SourceItem item, Batch& batch);
  bool hand_over(Batch& batch);
  bool push_walked();
  void read_all();
  void read_one(ContentReader& reader, PendingEntry& entry);
  Result<snapshot::TreeRoot> build_tree(snapshot::Snapshot& snapshot);
  bool encode(snapshot::TreeBuilder& tree, snapshot::Entry& entry, const std::string& key);
  void count(const PendingEntry& entry, snapshot::Snapshot& snapshot);
  void report(const std::string& path, const Error& error);
  void stop_with(Error error);
  Result<void> check_failure();
  Result<void> finish(snapshot::Snapshot& snapshot);

  repo::Repository& repository_;
  std::unique_ptr<source::Source> source_;
  const BackupOptions& options_;
  const MemoryPlan& plan_;
  Activity& activity_;
  repo::StoreSession session_;
  EncoderPool encoders_;
  MetaWriter meta_;
  BoundedQueue<std::vector<source::SourceItem>> found_;  // by the walk
  ChangeDetector changes_;
  chunk::ContentChunker chunker_;
  OrderedEntries ordered_;
  BoundedQueue<Batch> to_read_;
  std::atomic<std::uint64_t> bytes_read_{0};
  OrderedEntries::Entries walked_;  // not pushed yet
  std::atomic<std::uint64_t> changed_while_read_{0};
  std::size_t walked_since_batch_ = 0;
  std::uint64_t batch_bytes_ = 0;

  std::stop_source ended_early_;  // wakes who waits for the source

  mutable Mutex mutex_;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  std::uint64_t errors_ GUARDED_BY(mutex_) = 0;
  std::vector<snapshot::SourceError> recorded_ GUARDED_BY(mutex_);
  std::string first_hint_ GUARDED_BY(mutex_);
};

}  // namespace backstay::engine::backup_stages
