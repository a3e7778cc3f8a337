#include "engine/check/tree_check.h"

#include <fmt/format.h>

#include <algorithm>
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
  return repo::is_damage_or_loss(code) || code == ErrorCode::kInvalidArgument;
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
  const repo::Index& index = repository_.index();
  if (bad_packs_.contains(pack)) {
    needed_.insert(pack);
  } else if (index.is_condemned(pack)) {
    // It goes, and nobody has looked whether it is whole: it makes up for no pack that should stay.
    for (const repo::ChunkLocation& at : index.find_all(id)) {
      const repo::ObjectId& other = at.frame.pack;
      if (bad_packs_.contains(other) && !index.is_condemned(other)) needed_.insert(other);
    }
  } else if (strays_.contains(pack)) {
    // A collection that stores again what a condemned pack has puts the new pack before its index
    // run: meanwhile the chunk is in the index still.
    const auto is_elsewhere = [&](const repo::ChunkLocation& at) {
      return !bad_packs_.contains(at.frame.pack) && !strays_.contains(at.frame.pack);
    };
    if (!std::ranges::any_of(index.find_all(id), is_elsewhere)) needed_.insert(pack);
  }
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

// As a restore walks it: each page against its parent and its neighbours, also where the page
// itself was looked at in an earlier snapshot.
Result<bool> TreeCheck::check(const repo::StoredSnapshot& snapshot,
                              const std::function<bool()>& stop_early) {
  snapshot::TreeWalker walker(repository_, snapshot.snapshot.tree);
  while (!walker.at_end()) {
    if (stop_early()) return false;
    if (walker.at_item()) {
      TRY(check_item(walker));
      walker.step();
      continue;
    }
    const ChunkRef page = walker.page().ref;
    const auto [known, fresh] = seen_pages_.try_emplace(page.id);
    Result<void> checked;
    if (!fresh && !known->second) {  // damaged, and named before
      walker.skip_page();
      continue;
    }
    if (fresh) {
      ++pages_;
      need(page.id);
      checked = walker.open();
      if (checked) known->second = walker.opened();
    } else {
      checked = walker.agrees(*known->second);
    }
    if (!checked) TRY(name_damage_of(page, snapshot.id, checked.error()));
    if (!checked || !fresh) walker.skip_page();
  }
  return true;
}

// The pack, where the page cannot be read; else the tree that does not hold together.
Result<void> TreeCheck::name_damage_of(const ChunkRef& page, const snapshot::SnapshotId& snapshot,
                                       const Error& error) {
  if (!is_tree_damage(error.code())) return std::unexpected(error.clone());
  std::string what = error.describe();
  const bool readable = repository_.read(page).has_value();
  const std::string object =
      readable ? "tree of snapshot " + snapshot.hex() : blame_for(page.id, error, what);
  log_.add(object, what);
  return {};
}

Result<void> TreeCheck::check_item(const snapshot::TreeWalker& walker) {
  activity_.progress.files_done += 1;
  const auto entry = snapshot::decode_entry(walker.record());
  if (!entry) {
    log_.add("content of " + display(walker.key()), entry.error().describe());
    return {};
  }
  return entry->type == EntryType::kFile ? check_content(*entry, walker.key()) : Result<void>();
}

// A chunk's length stands with whoever refers to it: at least it lies in its frame.
Result<void> TreeCheck::fits(const Extent& extent) const {
  const auto at = repository_.index().find(extent.id);
  if (!at || extent.length <= at->frame.raw_length - at->offset_in_frame) return {};
  return fail(ErrorCode::kCorruption,
              "chunk " + extent.id.short_hex() + " is shorter than the tree says");
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
                                  return fits(extent);
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

Result<bool> TreeCheck::name_affected(const repo::StoredSnapshot& stored,
                                      const std::function<bool()>& enough) {
  snapshot::TreeCursor cursor(repository_, stored.snapshot.tree);
  while (true) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    if (enough()) return false;
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
      if (!TRY(cursor.skip_damaged_page())) return true;
      continue;
    }
    if (!*item) return true;
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
