#include "engine/restore/target_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/try.h"
#include "engine/restore/extra_walk.h"
#include "engine/restore/extras.h"
#include "engine/restore/folded_name.h"
#include "engine/restore/kept_places.h"
#include "engine/restore/selected_walk.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::Entry;
using snapshot::EntryType;

// A folder that the walk is inside of. Its node is there once something inside is restored.
struct Level {
  std::size_t key_length = 0;  // of the key of the deepest level, which all levels share
  std::optional<Entry> entry;
  FolderNodePtr node;
  ExtraNames extras;
  bool all_taken = true;   // the backup left nothing out that stood in it
  bool elsewhere = false;  // on another file system than the target
  // Of what is restored in it, where the file system ignores case: as it was called first.
  std::unordered_map<std::string, std::string> taken = {};
};

class TargetWalk {
 public:
  TargetWalk(Site& site, Visitor& visitor, SelectedWalk walk)
      : site_(site),
        visitor_(visitor),
        walk_(std::move(walk)),
        deletion_(site),
        kept_(site.options.keep),
        extra_walk_(site, deletion_, kept_, visitor) {}

  Result<void> run() {
    TRY(enter_target());
    if (visitor_.wants_extras()) clear_places();
    while (std::optional<WalkItem> item = TRY(walk_.next())) {
      if (site_.outcome.ending()) return site_.outcome.status();
      TRY(visit(std::move(*item)));
    }
    while (!levels_.empty()) leave();
    if (walk_.met_root()) visitor_.count_target();
    return {};
  }

 private:
  Result<void> enter_target() {
    source::TargetFolderPtr root = site_.target == nullptr ? nullptr : site_.target->root();
    key_ = walk_.base_key();
    std::string path = key_.empty() ? "" : snapshot::path_from_key(key_);
    auto node = std::make_shared<FolderNode>(site_, root, std::move(path));
    if (root == nullptr) node->mark_new();
    const std::optional<Entry>& entry = walk_.root_entry();
    const bool is_whole_folder =
        entry && entry->type == EntryType::kDirectory && walk_.root_choice() == Choice::kTake;
    if (is_whole_folder) visitor_.target(*node, *entry);
    levels_.push_back({.key_length = key_.size(),
                       .entry = {},
                       .node = node,
                       .extras = {},
                       .all_taken = !entry || entry->left_out == snapshot::LeftOut::kNothing});
    return read_extras(levels_.back());
  }

  // What is to go whatever the snapshot has (RestoreOptions::clear_first).
  void clear_places() {
    if (site_.target == nullptr || site_.options.clear_first.empty()) return;
    const DeletionRule everything = DeletionRule::everything(site_);
    ExtraWalk clearing(site_, everything, kept_, visitor_);
    for (const std::string& place : site_.options.clear_first) {
      if (site_.outcome.ending()) return;
      const Result<FolderNodePtr> above = find_above(place);
      if (!above) {
        site_.outcome.trouble(place, above.error().clone().with_context("removing it"));
      } else if (*above != nullptr) {
        clearing.run(*above, place.substr(place.rfind('/') + 1));
      }
    }
  }

  // The folder that a place is in, or null when there is none any more.
  Result<FolderNodePtr> find_above(const std::string& place) {
    FolderNodePtr node = levels_.front().node;
    for (std::size_t at = 1; node != nullptr;) {
      const std::size_t slash = place.find('/', at);
      if (slash == std::string::npos) return node;
      std::string name = place.substr(at, slash - at);
      at = slash + 1;
      source::TargetFolderPtr folder = TRY(site_.target->find_folder(node->folder(), name));
      node = folder == nullptr ? FolderNodePtr()
                               : std::make_shared<FolderNode>(node, std::move(name), folder);
    }
    return node;
  }

  Result<void> visit(WalkItem item) {
    const std::string name(snapshot::name_of_key(item.key));
    while (!snapshot::is_within(item.key, key_)) leave();
    const std::string_view parent = snapshot::parent_of_key(item.key);
    if (key_ == parent) delete_extras_up_to(levels_.back(), name);
    if (item.choice == Choice::kLeave) return {};
    if (lost_folder_ && snapshot::is_within(item.key, *lost_folder_)) {
      name_as_lost(item);
      return {};
    }
    // Folders whose entries were on a damaged page are made without their attributes.
    while (key_.size() < parent.size()) push(next_folder_below(parent), std::nullopt);
    const bool is_folder = item.entry.type == EntryType::kDirectory;
    if (is_folder) push(item.key, std::move(item.entry));
    if (item.choice == Choice::kPass) return {};
    if (!make_nodes()) {
      if (!is_folder) name_as_lost(item);
      return {};
    }
    if (is_folder) return {};
    delete_extras_up_to(levels_.back(), name);
    return visit_file(name, std::move(item.entry));
  }

  // A file whose folder could not be made.
  void name_as_lost(const WalkItem& item) {
    if (item.choice != Choice::kTake || item.entry.type == EntryType::kDirectory) return;
    report_failed(
        snapshot::path_from_key(item.key),
        Error(ErrorCode::kNotFound, "the folder " + snapshot::path_from_key(*lost_folder_) +
                                        ", which it is in, could not be restored"));
  }

  // The key of the folder one level below key_ on the way to `folder`.
  [[nodiscard]] std::string next_folder_below(std::string_view folder) const {
    const std::size_t start = key_.empty() ? 0 : key_.size() + 1;
    return std::string(folder.substr(0, folder.find('\0', start)));
  }

  void push(std::string key, std::optional<Entry> entry) {
    key_ = std::move(key);
    levels_.push_back(
        {.key_length = key_.size(), .entry = std::move(entry), .node = {}, .extras = {}});
  }

  void leave() {
    Level& level = levels_.back();
    if (level.node != nullptr) delete_extras(level, level.extras.rest());
    levels_.pop_back();
    key_.resize(levels_.empty() ? 0 : levels_.back().key_length);
  }

  // Makes the folders of the open levels that are not there yet. False when one cannot be made;
  // what is below it is then only named.
  bool make_nodes() {
    std::size_t first = levels_.size();
    while (levels_[first - 1].node == nullptr) --first;
    for (std::size_t i = first; i < levels_.size(); ++i) {
      const Result<void> made = make_node(levels_[i - 1], levels_[i]);
      if (made) continue;
      lost_folder_ = key_.substr(0, levels_[i].key_length);
      const std::string path = snapshot::path_from_key(*lost_folder_);
      if (!site_.outcome.is_left_out(path)) site_.outcome.trouble(path, made.error());
      site_.outcome.leave_out_of_verify(path);
      while (levels_.size() > i) leave();
      return false;
    }
    return true;
  }

  Result<void> make_node(Level& above, Level& level) {
    const std::string key = key_.substr(0, level.key_length);
    std::string name(snapshot::name_of_key(key));
    delete_extras_up_to(above, name);
    TRY(take_name(above, name));
    const auto existing = TRY(look(above.node, name));
    if (existing) TRY(check_folder_place(*above.node, name, *existing));
    level.all_taken = level.entry && level.entry->left_out == snapshot::LeftOut::kNothing;
    Visitor::FolderVisit visit{.parent = above.node,
                               .name = std::move(name),
                               .entry = std::move(level.entry),
                               .existing = std::nullopt};
    if (existing) visit.existing = existing->entry.type;
    level.node = TRY(visitor_.folder(std::move(visit)));
    TRY(find_out_place(above, level));
    return read_extras(level);
  }

  // Whether the folder may be made, or entered, where this stands.
  Result<void> check_folder_place(const FolderNode& above, const std::string& name,
                                  const source::ExistingEntry& existing) {
    const bool is_folder = existing.entry.type == EntryType::kDirectory;
    const KeptPlaces::Part part = kept_.part_of(existing.device, existing.entry.inode);
    if (part == KeptPlaces::Part::kItself)
      return fail(ErrorCode::kConflict,
                  "the repository or the cache is in the place of this folder and is left alone");
    if (is_folder) return {};
    if (part == KeptPlaces::Part::kOnTheWay)
      return fail(ErrorCode::kConflict,
                  "what stands in the place of this folder leads to the repository or to the "
                  "cache and is left alone");
    if (site_.options.overwrite == Overwrite::kNever) {
      return fail(ErrorCode::kConflict,
                  fmt::format("a {} stands in the place of this folder, and existing files are "
                              "left alone",
                              snapshot::to_string(existing.entry.type)));
    }
    const bool leads_on = existing.entry.type == EntryType::kSymlink &&
                          TRY(site_.target->leads_to_folder(above.folder(), name));
    if (!leads_on || site_.options.replace_folder_links) return {};
    return std::unexpected(
        Error(ErrorCode::kConflict,
              fmt::format("a symbolic link to the folder {} stands in the place of this folder",
                          existing.entry.symlink_target))
            .with_hint("Give --overwrite always to replace the link by a folder, or restore "
                       "SNAP:SUBPATH with the folder it leads to as the target."));
  }

  // Deleting stops where another file system begins, also one that was in the backup.
  Result<void> find_out_place(const Level& above, Level& level) {
    if (!wants_extras() || level.node->is_new()) return {};
    level.elsewhere = above.elsewhere;
    if (above.elsewhere || !TRY(is_mounted_in(site_, *above.node, *level.node))) return {};
    level.elsewhere = true;
    site_.outcome.note("nothing is deleted in " + level.node->path() +
                       ": it is another file system than the target's");
    return {};
  }

  [[nodiscard]] bool wants_extras() const { return deletion_.enabled() && visitor_.wants_extras(); }

  Result<void> read_extras(Level& level) {
    if (!wants_extras() || level.node->is_new() || level.elsewhere || !level.all_taken) return {};
    level.extras = ExtraNames(TRY(site_.target->names(level.node->folder())));
    return {};
  }

  // Deletes what the snapshot does not have before `name`, which it has.
  void delete_extras_up_to(Level& level, const std::string& name) {
    if (level.node != nullptr) delete_extras(level, level.extras.up_to(name));
  }

  void delete_extras(const Level& level, const std::vector<std::string>& names) {
    // With a page of the tree missing, nobody knows what the snapshot has.
    if (walk_.damaged()) return;
    for (const std::string& name : names) {
      if (site_.outcome.ending()) return;
      // What was just restored may be shown in the letters that it had before.
      if (site_.ignores_case && level.taken.contains(folded_name(name))) continue;
      extra_walk_.run(level.node, name);
    }
  }

  Result<std::optional<source::ExistingEntry>> look(const FolderNodePtr& folder,
                                                    const std::string& name) {
    if (folder->is_new()) return std::nullopt;
    return site_.target->look(folder->folder(), name);
  }

  // Two names that the file system takes for one would overwrite each other.
  Result<void> take_name(Level& level, const std::string& name) const {
    if (!site_.ignores_case) return {};
    const auto [first, is_first] = level.taken.try_emplace(folded_name(name), name);
    if (is_first || first->second == name) return {};
    return std::unexpected(
        Error(ErrorCode::kConflict,
              fmt::format("'{}' has its name: the target's file system does not tell capital "
                          "letters from small ones",
                          first->second))
            .with_hint("Restore it to another folder or file system, with --include."));
  }

  Result<void> visit_file(const std::string& name, Entry entry) {
    const FolderNodePtr& folder = levels_.back().node;
    if (const Result<void> taken = take_name(levels_.back(), name); !taken) {
      report_failed(folder->path_of(name), taken.error());
      return {};
    }
    auto existing = look(folder, name);
    if (!existing) {
      report_failed(folder->path_of(name), existing.error());
      return {};
    }
    FileVisit visit{.folder = folder, .name = name, .entry = std::move(entry)};
    visit.name_is_free = !existing->has_value();
    visit.action = choose_action(visit.entry, *existing, site_.options);
    visit.attributes_are_right =
        existing->has_value() && site_.target->has_attributes(**existing, visit.entry);
    if (*existing && (*existing)->entry.type == EntryType::kFile)
      visit.existing_bytes = (*existing)->entry.size_bytes;
    const Result<void> cleared = make_way(visit, *existing);
    if (!cleared) {
      report_failed(folder->path_of(name), cleared.error());
      return {};
    }
    return visitor_.file(std::move(visit));
  }

  Result<void> make_way(FileVisit& visit, const std::optional<source::ExistingEntry>& existing) {
    if (!existing || visit.action == Action::kLeave) return {};
    if (kept_.part_of(existing->device, existing->entry.inode) != KeptPlaces::Part::kNone)
      return fail(ErrorCode::kConflict,
                  "what stands in its place is, or leads to, the repository or the cache and is "
                  "left alone");
    if (visit.action != Action::kFolderInTheWay) return {};
    visit.action = Action::kWrite;
    return clear_folder(visit.folder, visit.name);
  }

  // A folder gives way to a file when it is empty, or when everything that the snapshot does not
  // have is to go anyway.
  Result<void> clear_folder(const FolderNodePtr& parent, const std::string& name) {
    const source::TargetFolderPtr folder = TRY(site_.target->find_folder(parent->folder(), name));
    if (folder != nullptr && TRY(site_.target->names(folder)).empty())
      return visitor_.clear_folder(parent, name);
    const Level& above = levels_.back();
    const bool may_delete =
        wants_extras() && !walk_.damaged() && !above.elsewhere && above.all_taken;
    if (may_delete && extra_walk_.run(parent, name)) return {};
    return std::unexpected(
        Error(ErrorCode::kConflict, "a folder with something in it stands in its place")
            .with_hint(may_delete
                           ? "Something in the folder is never deleted: remove it yourself."
                           : "Remove the folder or restore with --delete, which removes it."));
  }

  // Once: verifying comes by again.
  void report_failed(const std::string& path, const Error& error) {
    if (site_.outcome.is_left_out(path)) return;
    site_.outcome.files_failed.fetch_add(1, std::memory_order_relaxed);
    site_.outcome.leave_out_of_verify(path);
    site_.outcome.trouble(path, error);
  }

  Site& site_;
  Visitor& visitor_;
  SelectedWalk walk_;
  DeletionRule deletion_;
  KeptPlaces kept_;
  ExtraWalk extra_walk_;
  std::optional<std::string> lost_folder_;  // what is below this key cannot be restored
  std::string key_;                         // of the deepest level
  std::vector<Level> levels_;  // never empty during the walk: the first is the target itself
};

}  // namespace

Result<void> walk_target(Site& site, Visitor& visitor, TreeDamage damage) {
  SelectedWalk walk =
      TRY(SelectedWalk::open(site.repository, site.snapshot, site.options,
                             [&site, damage](const std::string& path, const Error& error) {
                               if (damage != TreeDamage::kReport) return;
                               site.outcome.stretches_lost.fetch_add(1, std::memory_order_relaxed);
                               site.outcome.trouble(path, error);
                             }));
  TargetWalk target(site, visitor, std::move(walk));
  return target.run();
}

}  // namespace backstay::engine::restoring
