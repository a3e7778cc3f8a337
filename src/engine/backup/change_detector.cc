#include "engine/backup/change_detector.h"

#include <algorithm>
#include <utility>

#include "snapshot/tree_key.h"
#include "source/entry_status.h"

namespace backstay::engine::backup_stages {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

// The bytes of a file are taken to be the same when nothing that the kernel changes with them
// changed.
bool same_bytes(const Entry& now, const Entry& before) {
  return before.type == EntryType::kFile && !before.changed_while_read &&
         now.size_bytes == before.size_bytes && now.modified == before.modified &&
         now.changed == before.changed && now.inode == before.inode;
}

// Whatever changes the attributes of an inode changes its ctime too.
bool same_attributes(const Entry& now, const Entry& before) {
  return now.inode == before.inode && now.changed == before.changed &&
         now.modified == before.modified;
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
                               const std::vector<std::string>& paths,
                               ReadAttributes read_attributes, Activity& activity)
    : paths_(paths), read_attributes_(std::move(read_attributes)), activity_(activity) {
  found_change_ = !parent;
  if (!parent) return;
  parent_.emplace(repository, *parent);
  advance();
}

void ChangeDetector::advance() {
  auto next = parent_->next();
  if (!next) return give_up(next.error());
  head_ = *next;
}

// A damaged parent costs time, nothing else: the rest is read anew.
void ChangeDetector::give_up(const Error& error) {
  activity_.note("the parent snapshot cannot be read to its end (" + error.describe() +
                 "): files from here on are read anew");
  head_ = nullptr;
  found_change_ = true;
}

void ChangeDetector::pass_deleted() {
  if (head_->item.entry.type != EntryType::kDirectory) ++deleted_;
  found_change_ = true;
  advance();
}

void ChangeDetector::advance_to(const std::string& key) {
  while (head_ && head_->item.key < key) pass_deleted();
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
  if (!head_ || head_->item.key != item.key) {
    if (item.entry.type != EntryType::kFile) read_attributes(item);
    return Compared::kNew;
  }
  Entry before = std::move(head_->item.entry);
  const bool content_is_stored = head_->content_is_stored;
  advance();
  const bool same_type = before.type == item.entry.type;
  if (item.entry.type == EntryType::kFile) {
    const bool same = same_type && !item.read_anyway && same_bytes(item.entry, before);
    if (!same || !content_is_stored) return Compared::kChanged;
    if (!item.complete) source::copy_attributes(before, item.entry);
    item.entry.content = std::move(before.content);
    return Compared::kUnmodified;
  }
  if (!item.complete && same_type && same_attributes(item.entry, before)) {
    source::copy_attributes(before, item.entry);
  } else {
    read_attributes(item);
  }
  return same_type && same_besides_content(item.entry, before) ? Compared::kUnmodified
                                                               : Compared::kChanged;
}

void ChangeDetector::read_attributes(source::SourceItem& item) const {
  if (item.complete) return;
  read_attributes_(item);
  distrust_if_incomplete(item);
}

void ChangeDetector::finish() {
  while (head_) pass_deleted();
}

}  // namespace backstay::engine::backup_stages
