// Backups of a tree in memory to a repository in memory. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/backup.h"
#include "repo/testing/fixture.h"
#include "snapshot/tree.h"
#include "source/testing/memory_source.h"

namespace backstay::engine {

using repo::code_of;
using repo::noise;
using repo::problem;

// What a run said while it was under way.
struct Watch {
  Progress progress;
  std::stop_source stop;
  Mutex mutex;
  std::vector<std::pair<std::string, ErrorCode>> troubles GUARDED_BY(mutex);
  std::vector<std::string> notes GUARDED_BY(mutex);

  Activity activity() {
    return {.progress = progress,
            .stop = stop.get_token(),
            .report =
                [this](const std::string& path, const Error& error) {
                  const MutexLock lock(mutex);
                  troubles.emplace_back(path, error.code());
                },
            .note =
                [this](const std::string& message) {
                  const MutexLock lock(mutex);
                  notes.push_back(message);
                }};
  }
  std::vector<std::string> trouble_paths() {
    const MutexLock lock(mutex);
    std::vector<std::string> paths;
    for (const auto& [path, code] : troubles) paths.push_back(path);
    std::ranges::sort(paths);
    return paths;
  }
};

// The bytes of a file as the snapshot has it, holes as zeros.
inline Result<Bytes> bytes_of(chunk::ChunkReader& chunks, const snapshot::Entry& entry) {
  Bytes bytes;
  TRY(snapshot::for_each_extent(
      entry.content, entry.size_bytes, chunks,
      [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
        if (extent.kind == snapshot::ExtentKind::kChunk) {
          append(bytes, TRY(chunks.read({.id = extent.id,
                                         .length = static_cast<std::uint32_t>(extent.length)})));
        } else {
          bytes.resize(bytes.size() + extent.length);
        }
        return {};
      }));
  return bytes;
}

// Everything that a snapshot holds: the bytes of files, the targets of links, "/" for folders.
inline Result<std::map<std::string, Bytes>> contents_of(chunk::ChunkReader& chunks,
                                                        const snapshot::Snapshot& snapshot) {
  std::map<std::string, Bytes> contents;
  snapshot::TreeCursor cursor(chunks, snapshot.tree);
  while (const auto item = TRY(cursor.next())) {
    Bytes& bytes = contents[snapshot::path_from_key(item->key)];
    if (item->entry.type == snapshot::EntryType::kFile) {
      bytes = TRY(bytes_of(chunks, item->entry));
    } else if (item->entry.type == snapshot::EntryType::kSymlink) {
      bytes = to_owned(as_bytes(item->entry.symlink_target));
    } else {
      bytes = {'/'};
    }
  }
  return contents;
}
inline std::map<std::string, Bytes> contents_of(const source::MemoryTree& tree) {
  std::map<std::string, Bytes> contents;
  for (const auto& [key, node] : tree.nodes()) {
    Bytes& bytes = contents[snapshot::path_from_key(key)];
    if (node.bytes != nullptr) {
      bytes = *node.bytes;
    } else if (node.entry.type == snapshot::EntryType::kSymlink) {
      bytes = to_owned(as_bytes(node.entry.symlink_target));
    } else {
      bytes = {'/'};
    }
  }
  return contents;
}

inline BackupOptions backup_options() {
  BackupOptions options;
  options.paths = {"/"};
  options.host = "host";
  options.user = "user";
  options.threads = 2;
  return options;
}

inline Result<BackupReport> back_up(repo::Repository& repository, source::MemoryTree& tree,
                                    const BackupOptions& options, Watch& watch) {
  Activity activity = watch.activity();
  return backup(
      repository, [&](source::SourceHooks hooks) { return tree.open(std::move(hooks)); }, options,
      activity);
}

class BackupFixture : public repo::RepositoryFixture {
 protected:
  void SetUp() override { make(); }

  Result<BackupReport> try_backup(const BackupOptions& options = backup_options()) {
    clock_.advance(std::chrono::seconds(60));
    watch_ = std::make_unique<Watch>();
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    tree_.files_opened = tree_.attributes_read = 0;
    if (about_to_run) about_to_run();
    return back_up(**repository, tree_, options, *watch_);
  }
  BackupReport backup_well(const BackupOptions& options = backup_options()) {
    auto report = try_backup(options);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : BackupReport{};
  }
  // As a repository that is opened now has it.
  std::map<std::string, Bytes> contents_of_stored(const snapshot::SnapshotId& id) {
    const auto repository = open_past_faults();
    const auto snapshot = repository->read_snapshot(id);
    EXPECT_EQ(problem(snapshot), "");
    if (!snapshot) return {};
    auto contents = contents_of(*repository, *snapshot);
    EXPECT_EQ(problem(contents), "");
    return contents ? std::move(*contents) : std::map<std::string, Bytes>{};
  }
  void expect_holds_the_tree(const BackupReport& report) {
    ASSERT_TRUE(report.id.has_value());
    EXPECT_TRUE(contents_of_stored(*report.id) == contents_of(tree_));
  }
  // A few files of several kinds: large, small, empty, sparse.
  void plant_tree() {
    tree_.add_file("/etc/empty", {});
    tree_.add_file("/etc/small", noise(100, 1));
    tree_.add_file("/home/user/large", noise(200'000, 2));
    tree_.add_file("/home/user/text", Bytes(30'000, 't'));
    tree_.add_file("/home/user/sparse", noise(120'000, 3));
    tree_.punch_hole("/home/user/sparse", 40'000, 50'000);
    tree_.add_symlink("/home/user/link", "large");
    tree_.add_folder("/home/nobody");
    for (std::uint64_t i = 0; i < 40; ++i) {
      tree_.add_file("/var/mail/" + std::to_string(i), noise(300 + i * 17, 100 + i));
    }
  }
  std::optional<snapshot::Entry> entry_in(const BackupReport& report, const std::string& path) {
    const auto repository = open_past_faults();
    auto found =
        snapshot::find_entry(*repository, report.snapshot.tree, snapshot::key_from_path(path));
    EXPECT_EQ(problem(found), "");
    return found ? std::move(*found) : std::nullopt;
  }

  source::MemoryTree tree_;
  std::unique_ptr<Watch> watch_;
  std::function<void()> about_to_run;  // the repository is open, watch_ is new
};

}  // namespace backstay::engine
