#include "engine/backup/change_detector.h"

#include <algorithm>

#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::backup_stages {

namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;

// The bytes of a file are taken to be the same when nothing that the kernel changes with them
// changed.
bool same_bytes(const Entry& now, const Entry& before) {
  return before.type == EntryType::kFile && !before.changed_while_read &&
         now.size_bytes == before.size_bytes && now.modified == before.modified &&
         now.changed == before.changed && now.inode == before.inode;
}

bool same_besides_content(const Entry& now, const Entry& before) {
  Entry copy = before;
  copy.content = {};
  copy.accessed = now.accessed;
  return copy == now;
}

}  // namespace

ChangeDetector::ChangeDetector(repo::Repository& repository,
                               const std::optional<snapshot::TreeRoot>& parent,
                               const std::vector<std::string>& paths, Activity& activity)
    : repository_(repository), paths_(paths), activity_(activity) {
  found_change_ = !parent;
  if (!parent) return;
  cursor_.emplace(repository, *parent);
  advance();
}

void ChangeDetector::advance() {
  if (!cursor_) return;
  auto next = cursor_->next();
  if (!next) {
    give_up(next.error());
    return;
  }
  head_ = std::move(*next);
  if (!head_) cursor_.reset();
}

// A damaged parent costs time, nothing else: the rest is read anew.
void ChangeDetector::give_up(const Error& error) {
  activity_.note("the parent snapshot cannot be read to its end (" + error.describe() +
                 "): files from here on are read anew");
  cursor_.reset();
  head_.reset();
  found_change_ = true;
}

bool ChangeDetector::content_is_stored(const Entry& entry) {
  const repo::Index& index = repository_.index();
  for (const Extent& extent : entry.content.extents) {
    const bool named = extent.kind == ExtentKind::kChunk || extent.kind == ExtentKind::kList;
    if (named && !index.contains(extent.id)) return false;
  }
  if (entry.content.level == 0) return true;
  const auto walked = snapshot::for_each_extent(
      entry.content, entry.size_bytes, repository_,
      [&](std::uint64_t, const Extent& extent) -> Result<void> {
        if (extent.kind == ExtentKind::kChunk && !index.contains(extent.id)) {
          return fail(ErrorCode::kNotFound, "a chunk is missing");
        }
        return {};
      });
  return walked.has_value();
}

void ChangeDetector::pass_deleted() {
  if (head_->entry.type != EntryType::kDirectory) ++deleted_;
  found_change_ = true;
  advance();
}

void ChangeDetector::advance_to(const std::string& key) {
  while (head_ && head_->key < key) pass_deleted();
}

const Entry* ChangeDetector::find_unchanged(const source::SourceItem& seen) {
  advance_to(seen.key);
  if (!head_ || head_->key != seen.key) return nullptr;
  const Entry& before = head_->entry;
  const bool same = before.type == seen.entry.type && before.inode == seen.entry.inode &&
                    before.changed == seen.entry.changed && before.modified == seen.entry.modified;
  return same ? &before : nullptr;
}

bool ChangeDetector::leads_to_a_path(const source::SourceItem& item) const {
  if (item.entry.type != EntryType::kDirectory) return false;
  std::string above = snapshot::path_from_key(item.key);
  if (!above.ends_with('/')) above += '/';
  return std::ranges::any_of(paths_, [&](const std::string& path) {
    return path.size() > above.size() && path.starts_with(above);
  });
}

Compared ChangeDetector::compare(source::SourceItem& item) {
  const Compared compared = compare_with_parent(item);
  if (compared == Compared::kUnmodified || found_change_) return compared;
  found_change_ = compared == Compared::kNew || !leads_to_a_path(item);
  return compared;
}

Compared ChangeDetector::compare_with_parent(source::SourceItem& item) {
  advance_to(item.key);
  if (!head_ || head_->key != item.key) return Compared::kNew;
  const Entry before = std::move(head_->entry);
  advance();
  if (before.type != item.entry.type) return Compared::kChanged;
  if (item.entry.type != EntryType::kFile) {
    return same_besides_content(item.entry, before) ? Compared::kUnmodified : Compared::kChanged;
  }
  if (!same_bytes(item.entry, before) || !content_is_stored(before)) return Compared::kChanged;
  item.entry.content = before.content;
  return Compared::kUnmodified;
}

void ChangeDetector::finish() {
  while (head_) pass_deleted();
}

}  // namespace backstay::engine::backup_stages
