// A tree of files in memory that is a source: its files can be changed between two backups, and
// made to fail or to change while they are read. For tests only.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "snapshot/tree_key.h"
#include "source/source.h"

namespace backstay::source {

struct MemoryNode {
  snapshot::Entry entry;
  std::shared_ptr<const Bytes> bytes;  // the whole file, holes as zeros
  std::vector<FileRun> runs;
  std::optional<ErrorCode> fails_in_walk;
  std::optional<ErrorCode> fails_to_open;
  std::optional<std::uint64_t> fails_after;  // bytes: then reading fails
  std::optional<std::uint64_t> ends_after;   // bytes: it shrank after the walk
  bool changes_while_read = false;
  bool hides_attributes = false;  // they cannot be read
};

class MemoryTree {
 public:
  MemoryTree() { node("/").entry = entry(snapshot::EntryType::kDirectory); }

  // ---- making and changing it. Paths are absolute and clean; folders above are made.
  MemoryNode& add_folder(const std::string& path) {
    return add(path, entry(snapshot::EntryType::kDirectory));
  }
  MemoryNode& add_file(const std::string& path, Bytes bytes) {
    snapshot::Entry file = entry(snapshot::EntryType::kFile);
    file.size_bytes = bytes.size();
    MemoryNode& added = add(path, std::move(file));
    added.runs.clear();
    if (!bytes.empty()) added.runs.push_back({.offset = 0, .length = bytes.size(), .hole = false});
    added.bytes = std::make_shared<const Bytes>(std::move(bytes));
    return added;
  }
  // Makes what stands there a hole.
  void punch_hole(const std::string& path, std::uint64_t offset, std::uint64_t length) {
    MemoryNode& file = node(path);
    Bytes bytes = *file.bytes;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), length, std::uint8_t{0});
    const std::uint64_t size = bytes.size();
    file.bytes = std::make_shared<const Bytes>(std::move(bytes));
    file.runs.clear();
    if (offset > 0) file.runs.push_back({0, offset, false});
    file.runs.push_back({offset, length, true});
    if (offset + length < size)
      file.runs.push_back({offset + length, size - offset - length, false});
    touch(path);
  }
  MemoryNode& add_symlink(const std::string& path, const std::string& target) {
    snapshot::Entry link = entry(snapshot::EntryType::kSymlink);
    link.symlink_target = target;
    return add(path, std::move(link));
  }
  void touch(const std::string& path) {
    node(path).entry.modified = node(path).entry.changed = next_time();
  }
  void remove(const std::string& path) {
    const std::string key = snapshot::key_from_path(path);
    std::erase_if(nodes_, [&](const auto& pair) { return snapshot::is_within(pair.first, key); });
  }
  [[nodiscard]] MemoryNode& node(const std::string& path) {
    return nodes_[snapshot::key_from_path(path)];
  }
  [[nodiscard]] const std::map<std::string, MemoryNode>& nodes() const { return nodes_; }
  [[nodiscard]] std::size_t count(snapshot::EntryType type) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        nodes_, [&](const auto& pair) { return pair.second.entry.type == type; }));
  }

  // ---- reading it
  [[nodiscard]] std::unique_ptr<Source> open(SourceHooks hooks);
  std::function<void(const std::string& path)> before_item;  // as the walk comes to it
  std::atomic<std::size_t> files_opened{0};
  std::atomic<std::size_t> attributes_read{0};  // calls of read_attributes()

 private:
  static snapshot::Entry entry(snapshot::EntryType type) {
    snapshot::Entry entry;
    entry.type = type;
    entry.mode = type == snapshot::EntryType::kDirectory ? 0755 : 0644;
    return entry;
  }
  Timestamp next_time() { return {.seconds = ++time_, .nanos = 7}; }
  MemoryNode& add(const std::string& path, snapshot::Entry entry) {
    const std::string key = snapshot::key_from_path(path);
    for (std::string above(snapshot::parent_of_key(key)); !nodes_.contains(above);
         above = snapshot::parent_of_key(above)) {
      nodes_[above].entry = MemoryTree::entry(snapshot::EntryType::kDirectory);
      nodes_[above].entry.inode = ++inode_;
      nodes_[above].entry.modified = nodes_[above].entry.changed = next_time();
    }
    const bool is_new = !nodes_.contains(key);
    MemoryNode& added = nodes_[key];
    entry.inode = is_new ? ++inode_ : added.entry.inode;
    entry.modified = entry.changed = next_time();
    added = {};
    added.entry = std::move(entry);
    return added;
  }

  std::map<std::string, MemoryNode> nodes_;
  std::int64_t time_ = 1'600'000'000;
  std::uint64_t inode_ = 100;
};

class MemoryReader final : public FileReader {
 public:
  explicit MemoryReader(MemoryNode node) : node_(std::move(node)) {}
  Result<std::optional<FileRun>> next_run() override {
    if (ended_ || next_ == node_.runs.size()) return std::nullopt;
    run_ = node_.runs[next_++];
    at_ = run_.offset;
    return run_;
  }
  Result<std::size_t> read(MutableByteView out) override {
    // In pieces of a size that divides nothing.
    std::uint64_t wanted =
        std::min<std::uint64_t>({out.size(), run_.offset + run_.length - at_, 7919});
    if (node_.fails_after) {
      if (at_ >= *node_.fails_after) return fail(ErrorCode::kUnavailable, "the disk is broken");
      wanted = std::min(wanted, *node_.fails_after - at_);
    }
    if (node_.ends_after) {
      ended_ = at_ + wanted >= *node_.ends_after;
      wanted = *node_.ends_after > at_ ? std::min(wanted, *node_.ends_after - at_) : 0;
    }
    std::copy_n(node_.bytes->begin() + static_cast<std::ptrdiff_t>(at_), wanted, out.begin());
    at_ += wanted;
    return static_cast<std::size_t>(wanted);
  }
  Result<snapshot::Entry> entry_now() override {
    snapshot::Entry now = node_.entry;
    if (node_.changes_while_read || node_.ends_after) now.modified.seconds += 1000;
    if (node_.ends_after) now.size_bytes = *node_.ends_after;
    return now;
  }

 private:
  const MemoryNode node_;
  std::size_t next_ = 0;
  FileRun run_;
  std::uint64_t at_ = 0;
  bool ended_ = false;
};

class MemorySource final : public Source {
 public:
  MemorySource(MemoryTree& tree, SourceHooks hooks)
      : tree_(tree), hooks_(std::move(hooks)), at_(tree.nodes().begin()) {}

  Result<std::optional<SourceItem>> next() override {
    while (at_ != tree_.nodes().end()) {
      const auto& [key, node] = *at_++;
      const std::string path = snapshot::path_from_key(key);
      if (tree_.before_item) tree_.before_item(path);
      if (!node.fails_in_walk) return SourceItem{.key = key, .entry = as_walked(node.entry)};
      hooks_.report(path, Error(*node.fails_in_walk, "the walk fails here"));
    }
    return std::nullopt;
  }
  void read_attributes(SourceItem& item) override {
    ++tree_.attributes_read;
    complete(tree_.nodes().at(item.key), item);
  }
  Result<std::unique_ptr<FileReader>> open(SourceItem& item) override {
    const MemoryNode& node = tree_.nodes().at(item.key);
    ++tree_.files_opened;
    complete(node, item);
    if (node.fails_to_open) {
      return std::unexpected(
          Error(*node.fails_to_open, "it does not open").with_hint("Open it otherwise."));
    }
    return std::make_unique<MemoryReader>(node);
  }

 private:
  void complete(const MemoryNode& node, SourceItem& item) const {
    item.entry = node.hides_attributes ? as_walked(node.entry) : node.entry;
    item.incomplete = node.hides_attributes;
    if (node.hides_attributes)
      hooks_.report(snapshot::path_from_key(item.key), Error(ErrorCode::kUnavailable, "hidden"));
  }
  static snapshot::Entry as_walked(snapshot::Entry entry) {
    entry.xattrs.clear();
    entry.inode_flags = entry.project_id = 0;
    return entry;
  }

  MemoryTree& tree_;
  SourceHooks hooks_;
  std::map<std::string, MemoryNode>::const_iterator at_;
};

inline std::unique_ptr<Source> MemoryTree::open(SourceHooks hooks) {
  return std::make_unique<MemorySource>(*this, std::move(hooks));
}

}  // namespace backstay::source
