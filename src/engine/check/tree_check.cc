#include "engine/check/tree_check.h"

#include <fmt/format.h>

#include <optional>

#include "base/try.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::check_stages {

namespace {

using chunk::ChunkRef;
using snapshot::Entry;
using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;

// Failures of the store itself end the check; everything else is damage to be named.
bool is_tree_damage(ErrorCode code) {
  return repo::is_damage(code) || code == ErrorCode::kNotFound ||
         code == ErrorCode::kInvalidArgument;
}

// What is to blame for a chunk that no run knows: which run knew it cannot be said.
constexpr std::string_view kWholeIndex = "index";

std::string display(std::string_view key) {
  return snapshot::path_from_key(key);
}

}  // namespace

TreeCheck::TreeCheck(repo::Repository& repository, DamageLog& log, Activity& activity,
                     const std::unordered_set<repo::ObjectId>& bad_packs,
                     const std::unordered_set<repo::ObjectId>& strays)
    : repository_(repository),
      log_(log),
      activity_(activity),
      bad_packs_(bad_packs),
      strays_(strays) {}

// Something refers to the chunk. Good packs are not kept count of: they are many.
void TreeCheck::need(const chunk::ChunkId& id) {
  if (bad_packs_.empty() && strays_.empty()) return;
  const auto location = repository_.index().find(id);
  if (!location) return;
  const repo::ObjectId& pack = location->frame.pack;
  if (bad_packs_.contains(pack) || strays_.contains(pack)) needed_.insert(pack);
}

std::string TreeCheck::blame(const chunk::ChunkId& id, std::string& what) const {
  const auto location = repository_.index().find(id);
  if (!location) {
    what = "chunks that snapshots refer to are in no index run and in no pack";
    return std::string(kWholeIndex);
  }
  if (!bad_packs_.contains(location->frame.pack)) return {};
  what = "the pack is missing or damaged";
  return repo::object_name(repo::object_kind(location->frame.pack_kind), location->frame.pack);
}

std::string TreeCheck::blame_for(const chunk::ChunkId& id, const Error& error,
                                 std::string& what) const {
  std::string object = blame(id, what);
  if (!object.empty()) return object;
  const auto location = repository_.index().find(id);
  what = error.describe();
  return repo::object_name(repo::object_kind(location->frame.pack_kind), location->frame.pack);
}

// The object to blame for a content whose lists cannot all be read.
std::string TreeCheck::blame_content(const snapshot::Entry& entry, std::string_view key,
                                     const Error& error, std::string& what) {
  std::string object;
  (void)snapshot::for_each_list_chunk(entry.content, repository_,
                                      [&](const ChunkRef& list) -> Result<void> {
                                        const auto read = repository_.read(list);
                                        if (!read && object.empty())
                                          object = blame_for(list.id, read.error(), what);
                                        return {};
                                      });
  if (!object.empty()) return object;
  what = error.describe();
  return "content of " + display(key);
}

Result<bool> TreeCheck::check(const repo::StoredSnapshot& snapshot,
                              const std::function<bool()>& stop_early) {
  // Pages are walked with a stack of our own, so that one damaged page does not hide its siblings.
  struct Todo {
    ChunkRef page;
    std::uint8_t level = 0;
  };
  std::vector<Todo> todo{{snapshot.snapshot.tree.page, snapshot.snapshot.tree.level}};
  while (!todo.empty()) {
    if (stop_early()) return false;
    const Todo next = todo.back();
    todo.pop_back();
    if (!seen_pages_.insert(next.page.id).second) continue;
    ++pages_;
    need(next.page.id);
    Result<void> checked;
    if (next.level == 0) {
      checked = check_leaf(next.page);
    } else {
      auto page = repository_.read(next.page);
      auto children =
          page ? snapshot::decode_inner(*page, next.level)
               : Result<std::vector<snapshot::PageChild>>(std::unexpected(std::move(page).error()));
      if (!children)
        checked = std::unexpected(std::move(children).error());
      else
        for (const auto& child : *children)
          todo.push_back({child.page, static_cast<std::uint8_t>(next.level - 1)});
    }
    if (checked) continue;
    if (!is_tree_damage(checked.error().code())) return std::unexpected(std::move(checked).error());
    std::string what;
    const std::string object = blame_for(next.page.id, checked.error(), what);
    log_.add(object, what);
  }
  return true;
}

Result<void> TreeCheck::check_leaf(const ChunkRef& page) {
  const Bytes bytes = TRY(repository_.read(page));
  for (const snapshot::TreeItem& item : TRY(snapshot::decode_leaf(bytes))) {
    activity_.progress.files_done += 1;
    if (item.entry.type == EntryType::kFile) TRY(check_content(item.entry, item.key));
  }
  return {};
}

Result<void> TreeCheck::check_content(const Entry& entry, const std::string& key) {
  if (entry.content.level > 0 && !(bad_packs_.empty() && strays_.empty())) {
    (void)snapshot::for_each_list_chunk(entry.content, repository_,
                                        [&](const ChunkRef& list) -> Result<void> {
                                          need(list.id);
                                          return {};
                                        });
  }
  const auto walked =
      snapshot::for_each_extent(entry.content, entry.size_bytes, repository_,
                                [&](std::uint64_t, const Extent& extent) -> Result<void> {
                                  if (extent.kind != ExtentKind::kChunk) return {};
                                  ++chunks_;
                                  need(extent.id);
                                  std::string what;
                                  const std::string object = blame(extent.id, what);
                                  if (!object.empty()) log_.add(object, what);
                                  return {};
                                });
  if (walked) return {};
  if (!is_tree_damage(walked.error().code())) return std::unexpected(walked.error().clone());
  std::string what;
  const std::string object = blame_content(entry, key, walked.error(), what);
  log_.add(object, what);
  return {};
}

// The damaged object that a failure to read a page speaks of.
static std::string object_in(const Error& error, const DamageLog& log) {
  std::string named = log.named_in(error.describe());
  if (!named.empty()) return named;
  const std::string index(kWholeIndex);
  return error.code() == ErrorCode::kNotFound && log.contains(index) ? index : std::string();
}

Result<void> TreeCheck::name_affected(const repo::StoredSnapshot& stored) {
  snapshot::TreeCursor cursor(repository_, stored.snapshot.tree);
  while (true) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    auto item = cursor.next();
    if (!item) {
      if (!is_tree_damage(item.error().code())) return std::unexpected(std::move(item).error());
      const std::string first = display(cursor.damaged_first_key());
      std::string object = object_in(item.error(), log_);
      if (object.empty()) {
        object = "tree of snapshot " + stored.id.hex();
        log_.add(object, item.error().describe());
      }
      log_.affects({.object = object, .snapshot = stored.id, .path = first, .from_here_on = true});
      if (!TRY(cursor.skip_damaged_page())) return {};
      continue;
    }
    if (!*item) return {};
    if ((*item)->entry.type == EntryType::kFile) name_affected_file(**item, stored.id);
  }
}

void TreeCheck::name_affected_file(const snapshot::TreeItem& item,
                                   const snapshot::SnapshotId& stored) {
  const std::string path = display(item.key);
  std::unordered_set<std::string> blamed;
  std::string what;
  const auto blame_once = [&](const std::string& object) {
    if (!object.empty() && blamed.insert(object).second)
      log_.affects({.object = object, .snapshot = stored, .path = path});
  };
  const auto walked =
      snapshot::for_each_extent(item.entry.content, item.entry.size_bytes, repository_,
                                [&](std::uint64_t, const Extent& extent) -> Result<void> {
                                  if (extent.kind == ExtentKind::kChunk)
                                    blame_once(blame(extent.id, what));
                                  return {};
                                });
  if (!walked) blame_once(blame_content(item.entry, item.key, walked.error(), what));
}

}  // namespace backstay::engine::check_stages
