// Snapshots made by hand and the tree that shows them, without a mount. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/try.h"
#include "engine/testing/restore_fixture.h"
#include "mount/file_tree.h"

namespace backstay::mount {

class TreeFixture : public engine::RestoreFixture {
 protected:
  static constexpr std::size_t kCacheBytes = 16 * 1024;

  // What was added until now is the snapshot of this host and hour.
  void add_snapshot(std::string host, std::int64_t hour, std::vector<std::string> tags = {}) {
    snapshot::Snapshot& made = finish();
    made.host = std::move(host);
    made.started = made.finished = {.seconds = hour * 3600, .nanos = 5};
    made.tags = std::move(tags);
    repo::StoredSnapshot stored{.id = {}, .snapshot = made};
    stored.id.bytes.fill(static_cast<std::uint8_t>(snapshots_.size() + 1));
    snapshots_.push_back(std::move(stored));
  }
  void forget_entries() { entries_.clear(); }

  // A set anew each time, as after a listing of the store.
  [[nodiscard]] SnapshotSetPtr set() const {
    return std::make_shared<const SnapshotSet>(snapshots_);
  }
  FileTree& tree() {
    if (tree_ != nullptr) return *tree_;
    frames_ = std::make_unique<FrameStore>(
        *repository_, FrameStore::Limits{.bytes_max = kCacheBytes, .threads = 2});
    // Whoever looks gets what there is by then.
    feed_ = std::make_unique<SnapshotFeed>(
        set(), [this](const SnapshotSetPtr&) -> Result<SnapshotSetPtr> { return set(); }, clock_,
        SnapshotFeed::Times{.interval = std::chrono::milliseconds(0),
                            .patience = std::chrono::minutes(5)});
    tree_ = std::make_unique<FileTree>(*repository_, *feed_, *frames_, stop_.get_token());
    return *tree_;
  }

  // ---- walking; "" is the root
  std::optional<Found> find(const std::string& path) {
    Found found{.inode = kRootInode};
    std::size_t at = 0;
    while (at < path.size()) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      auto next = tree().lookup(found.inode, path.substr(at, end - at));
      EXPECT_TRUE(next.has_value()) << (next ? "" : next.error().describe());
      if (!next || !*next) return std::nullopt;
      found = **next;
      at = end + 1;
    }
    return found;
  }
  Inode inode(const std::string& path) {
    const auto found = find(path);
    EXPECT_TRUE(found.has_value()) << path;
    return found ? found->inode : 0;
  }
  std::vector<std::string> names(const std::string& path) {
    std::vector<std::string> names;
    auto folder = tree().open_folder(inode(path));
    EXPECT_TRUE(folder.has_value()) << (folder ? "" : folder.error().describe());
    for (std::uint64_t number = 0; folder; ++number) {
      const auto child = (*folder)->at(number);
      EXPECT_TRUE(child.has_value()) << (child ? "" : child.error().describe());
      if (!child || !*child) break;
      names.push_back((*child)->name);
    }
    return names;
  }
  Result<std::string> text(const std::string& path, std::uint64_t from = 0,
                           std::size_t size = 1 << 20) {
    auto file = TRY(tree().open_file(inode(path)));
    Bytes bytes(size);
    bytes.resize(TRY(file->read(from, bytes, [] { return false; })));
    return std::string(as_text(bytes));
  }
  std::string link(const std::string& path) {
    const auto target = tree().link_target(inode(path));
    EXPECT_TRUE(target.has_value());
    return target ? *target : "";
  }

  std::vector<repo::StoredSnapshot> snapshots_;
  std::unique_ptr<FrameStore> frames_;
  std::unique_ptr<SnapshotFeed> feed_;
  std::unique_ptr<FileTree> tree_;
};

}  // namespace backstay::mount
