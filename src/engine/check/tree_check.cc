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
bool is_damage(ErrorCode code) {
  return code == ErrorCode::kCorruption || code == ErrorCode::kNotFound ||
         code == ErrorCode::kUnsupported || code == ErrorCode::kInvalidArgument ||
         code == ErrorCode::kWrongKey;
}

std::string display(std::string_view key) {
  return snapshot::path_from_key(key);
}

}  // namespace

TreeCheck::TreeCheck(repo::Repository& repository, DamageLog& log, Activity& activity,
                     const std::unordered_set<repo::ObjectId>& bad_packs)
    : repository_(repository), log_(log), activity_(activity), bad_packs_(bad_packs) {}

std::string TreeCheck::blame(const chunk::ChunkId& id, std::string& what) const {
  const auto location = repository_.index().find(id);
  if (!location) {
    what = "the chunk is not in the index";
    return "chunk " + id.hex();
  }
  if (!bad_packs_.contains(location->frame.pack)) return {};
  what = "the pack is missing or damaged";
  return repo::object_name(repo::object_kind(location->frame.pack_kind), location->frame.pack);
}

std::string TreeCheck::blame_page(const chunk::ChunkId& id, const Error& error,
                                  std::string& what) const {
  std::string object = blame(id, what);
  if (!object.empty()) return object;
  const auto location = repository_.index().find(id);
  what = error.describe();
  return repo::object_name(repo::object_kind(location->frame.pack_kind), location->frame.pack);
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
    if (!is_damage(checked.error().code())) return std::unexpected(std::move(checked).error());
    std::string what;
    const std::string object = blame_page(next.page.id, checked.error(), what);
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
  const auto walked =
      snapshot::for_each_extent(entry.content, entry.size_bytes, repository_,
                                [&](std::uint64_t, const Extent& extent) -> Result<void> {
                                  if (extent.kind != ExtentKind::kChunk) return {};
                                  ++chunks_;
                                  std::string what;
                                  const std::string object = blame(extent.id, what);
                                  if (!object.empty()) log_.add(object, what);
                                  return {};
                                });
  if (walked) return {};
  if (!is_damage(walked.error().code())) return std::unexpected(walked.error().clone());
  // A content list that cannot be read.
  log_.add("content of " + display(key), walked.error().describe());
  return {};
}

Result<void> TreeCheck::name_affected(const repo::StoredSnapshot& stored) {
  const std::string prefix = "snapshot " + stored.id.short_hex() + ": ";
  snapshot::TreeCursor cursor(repository_, stored.snapshot.tree);
  while (true) {
    auto item = cursor.next();
    if (!item) {
      if (!is_damage(item.error().code())) return std::unexpected(std::move(item).error());
      const std::string first = display(cursor.damaged_first_key());
      std::string object;
      for (const Damage& damage : log_.copy()) {
        if (item.error().describe().find(damage.object) != std::string::npos)
          object = damage.object;
      }
      if (object.empty()) {
        object = "tree of snapshot " + stored.id.hex();
        log_.add(object, item.error().describe());
      }
      log_.affects(object, prefix + "entries from " + first + " on");
      if (!TRY(cursor.skip_damaged_page())) return {};
      continue;
    }
    if (!*item) return {};
    const Entry& entry = (*item)->entry;
    if (entry.type != EntryType::kFile) continue;
    const std::string path = display((*item)->key);
    std::unordered_set<std::string> blamed;
    const auto walked = snapshot::for_each_extent(
        entry.content, entry.size_bytes, repository_,
        [&](std::uint64_t, const Extent& extent) -> Result<void> {
          std::string what;
          const std::string object =
              extent.kind == ExtentKind::kChunk ? blame(extent.id, what) : std::string();
          if (!object.empty() && blamed.insert(object).second) log_.affects(object, prefix + path);
          return {};
        });
    if (!walked) log_.affects("content of " + path, prefix + path);
  }
}

}  // namespace backstay::engine::check_stages
