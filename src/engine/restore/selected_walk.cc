#include "engine/restore/selected_walk.h"

#include <fmt/format.h>

#include <utility>

#include "base/try.h"
#include "snapshot/snapshot.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::restoring {

using snapshot::Entry;
using snapshot::EntryType;

namespace {

bool is_damage(const Error& error) {
  return error.code() == ErrorCode::kCorruption || error.code() == ErrorCode::kNotFound;
}

}  // namespace

Result<SelectedWalk> SelectedWalk::open(chunk::ChunkReader& pages,
                                        const snapshot::Snapshot& snapshot,
                                        const RestoreOptions& options, Report report) {
  SelectedWalk walk(pages, snapshot.tree, options, std::move(report));
  if (!options.subpath.empty()) {
    const std::string& path = options.subpath;
    walk.root_key_ = snapshot::key_from_path(path);
    walk.root_entry_ = TRY_DOING("looking for " + path,
                                 snapshot::find_entry(pages, snapshot.tree, walk.root_key_));
    if (!walk.root_entry_ && !walk.root_key_.empty()) {
      Error missing(ErrorCode::kNotFound, fmt::format("the snapshot has no {}", path));
      return std::unexpected(std::move(missing).with_hint(
          "List what is in the snapshot with: backstay ls SNAPSHOT [FOLDER]"));
    }
  }
  const bool is_folder = !walk.root_entry_ || walk.root_entry_->type == EntryType::kDirectory;
  walk.base_key_ =
      is_folder ? walk.root_key_ : std::string(snapshot::parent_of_key(walk.root_key_));
  walk.root_choice_ = walk.choose(snapshot::path_from_key(walk.root_key_), is_folder);
  walk.finished_ = walk.root_choice_ == Choice::kLeave;
  TRY(walk.go_to(walk.root_key_));
  return walk;
}

Result<std::optional<WalkItem>> SelectedWalk::next() {
  while (!finished_) {
    std::optional<snapshot::TreeItem> item = TRY(next_readable());
    if (!item || !snapshot::is_within(item->key, root_key_)) break;
    const bool is_folder = item->entry.type == EntryType::kDirectory;
    if (item->key == root_key_ && is_folder) {
      met_root_ = root_choice_ == Choice::kTake;
      continue;
    }
    std::string path = snapshot::path_from_key(item->key);
    if (last_file_key_ && snapshot::is_within(item->key, *last_file_key_)) {
      report_(path, Error(ErrorCode::kCorruption,
                          "the snapshot has something below a file; it is left out"));
      TRY(skip_below(*last_file_key_));
      continue;
    }
    const Choice choice = choose(path, is_folder);
    if (!is_folder) last_file_key_ = item->key;
    if (is_folder && choice == Choice::kLeave) TRY(skip_below(item->key));
    return WalkItem{std::move(item->key), std::move(item->entry), choice};
  }
  finished_ = true;
  return std::nullopt;
}

Result<void> SelectedWalk::skip_below(std::string_view key) {
  return go_to(snapshot::key_after_subtree(key));
}

// A damaged page on the way is met again, and reported, by whoever asks for the next item.
Result<void> SelectedWalk::go_to(std::string_view key) {
  Result<void> moved = cursor_.seek(key);
  if (!moved && is_damage(moved.error())) return {};
  return moved;
}

Result<std::optional<snapshot::TreeItem>> SelectedWalk::next_readable() {
  while (true) {
    Result<std::optional<snapshot::TreeItem>> item = cursor_.next();
    if (item) return item;
    if (!is_damage(item.error())) return item;
    damaged_ = true;
    const std::string first = snapshot::path_from_key(cursor_.damaged_first_key());
    report_(first, std::move(item).error().with_context(
                       "reading the page of the snapshot's tree that begins here; what is on it "
                       "is not restored"));
    if (!TRY(cursor_.skip_damaged_page())) return std::nullopt;
  }
}

bool SelectedWalk::is_left_out(const std::string& path, bool is_folder) const {
  if (!options_.only) return false;
  const std::set<std::string>& only = *options_.only;
  if (is_folder) {
    const std::string below = path.ends_with('/') ? path : path + "/";
    const auto first = only.lower_bound(below);
    if (first != only.end() && first->starts_with(below)) return false;
  }
  for (std::string above = path; !above.empty(); above.resize(above.rfind('/'))) {
    if (only.contains(above)) return false;
    if (!above.contains('/')) break;
  }
  return true;
}

Choice SelectedWalk::choose(const std::string& path, bool is_folder) const {
  if (is_left_out(path, is_folder)) return Choice::kLeave;
  if (options_.excludes.matches(path)) return Choice::kLeave;
  if (options_.includes.empty() || options_.includes.matches(path)) return Choice::kTake;
  return is_folder && options_.includes.may_match_below(path) ? Choice::kPass : Choice::kLeave;
}

}  // namespace backstay::engine::restoring
