#include "engine/restore/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "engine/restore/file_bytes.h"
#include "engine/restore/kept_places.h"
#include "engine/restore/leftovers.h"
#include "engine/restore/link_groups.h"
#include "engine/restore/locate_chunk.h"
#include "engine/restore/target_walk.h"
#include "io/file.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;

// A hostile snapshot may claim any size: sums stop at the largest number.
void add_up(std::uint64_t& sum, std::uint64_t value) {
  sum = value > std::numeric_limits<std::uint64_t>::max() - sum
            ? std::numeric_limits<std::uint64_t>::max()
            : sum + value;
}

class Planner final : public Visitor {
 public:
  Planner(Site& site, PlanDepth depth, TargetChanges* changes)
      : site_(site), depth_(depth), changes_(changes) {
    if (site.options.only) not_met_ = *site.options.only;
    if (site.target != nullptr && changes_ == nullptr) count_leftovers(site.target->root());
    if (site.target != nullptr && changes_ != nullptr)
      clear_leftovers(site_, FolderNode(site_, site.target->root(), site.options.subpath));
  }

  void target(FolderNode& node, const snapshot::Entry& /*entry*/) override {
    note_selected(node.path());
  }
  void count_target() override { ++plan_.dirs; }
  Result<FolderNodePtr> folder(FolderVisit visit) override {
    ++plan_.dirs;
    if (visit.existing != EntryType::kDirectory) ++plan_.dirs_new;
    if (!visit.existing) ++plan_.inodes_needed;
    note_selected(visit.parent->path_of(visit.name));
    const bool is_there = visit.existing == EntryType::kDirectory;
    if (changes_ != nullptr) note_folder(visit);
    source::TargetFolderPtr folder =
        is_there ? TRY(site_.target->find_folder(visit.parent->folder(), visit.name)) : nullptr;
    auto node = std::make_shared<FolderNode>(std::move(visit.parent), std::move(visit.name),
                                             std::move(folder));
    if (node->folder() == nullptr) node->mark_new();
    // What a killed restore moved aside has to have its name again, to be kept under it.
    if (node->folder() != nullptr && changes_ != nullptr) clear_leftovers(site_, *node);
    if (node->folder() != nullptr && changes_ == nullptr) count_leftovers(node->folder());
    return node;
  }

  Result<void> file(FileVisit visit) override {
    ++plan_.files;
    note_selected(visit.folder->path_of(visit.name));
    const bool is_regular = visit.entry.type == EntryType::kFile;
    if (is_regular) add_up(plan_.bytes, visit.entry.size_bytes);
    plan_.bytes_largest = std::max(plan_.bytes_largest, visit.entry.size_bytes);
    const bool is_left = visit.action == Action::kLeave;
    const bool is_link = !is_left && is_further_name(visit);
    if (is_link || !is_regular) ++plan_.links;
    const bool is_kept = is_left || visit.action == Action::kSame ||
                         (!is_link && (visit.action == Action::kKeep || is_right(visit)));
    if (is_left) ++plan_.files_left;
    if (changes_ != nullptr && !is_left) note_file(visit, is_kept);
    ++(is_kept ? plan_.files_unchanged : plan_.files_written);
    if (!is_kept && visit.name_is_free) {
      ++plan_.files_new;
      if (!is_link) ++plan_.inodes_needed;
    }
    if (!is_regular || is_kept || is_link) return {};
    return count_bytes(visit);
  }

  [[nodiscard]] bool wants_extras() const override {
    return depth_ == PlanDepth::kFull || changes_ != nullptr;
  }
  bool extra(const FolderNodePtr& folder, const std::string& name, EntryType type) override {
    if (changes_ != nullptr) note_removal(folder->place_of(name), type);
    site_.outcome.deleted(folder->path_of(name), type, site_.options);
    return true;
  }
  Result<FolderNodePtr> enter_extra(const FolderNodePtr& parent, const std::string& name,
                                    const snapshot::Entry& /*existing*/) override {
    source::TargetFolderPtr folder = TRY(site_.target->find_folder(parent->folder(), name));
    if (folder == nullptr) return FolderNodePtr();
    return std::make_shared<FolderNode>(parent, name, std::move(folder));
  }
  Result<void> clear_folder(const FolderNodePtr& folder, const std::string& name) override {
    if (changes_ != nullptr) note_removal(folder->place_of(name), EntryType::kDirectory);
    return {};
  }

  [[nodiscard]] Plan finish() {
    if (changes_ != nullptr) changes_->settle();
    plan_.errors = site_.outcome.report().errors;
    // What is below a folder that cannot be restored, or on a damaged page, was not looked at.
    if (plan_.errors == 0) {
      plan_.unmatched = site_.options.includes.not_among(seen_);
      plan_.not_found.assign(not_met_.begin(), not_met_.end());
    }
    return std::move(plan_);
  }

 private:
  // What the restore removes on its way, or gives its name back: after a kill where there was no
  // room for a second copy it is the space that the file needs.
  void count_leftovers(const source::TargetFolderPtr& folder) {
    const auto names = site_.target->names(folder);
    if (!names) return;
    for (const std::string& name : *names) {
      const std::optional<Leftover> leftover = find_leftover(site_, folder, name);
      if (leftover && leftover->fate != Leftover::Fate::kStays)
        add_up(plan_.bytes_freed, data_bytes(leftover->file.get()).value_or(0));
    }
  }

  // What is made in a new folder goes with it; but the target itself stays.
  static bool is_listed_in(const FolderNode& folder) {
    return !folder.is_new() || folder.is_target();
  }

  void note_folder(const FolderVisit& visit) {
    const std::string place = visit.parent->place_of(visit.name);
    if (visit.existing != EntryType::kDirectory && is_listed_in(*visit.parent))
      changes_->create(place);
    if (!visit.existing) return;
    const bool is_folder = visit.existing == EntryType::kDirectory;
    changes_->touch(place, is_folder ? TargetChanges::Kind::kFolder : TargetChanges::Kind::kOther);
  }

  void note_file(const FileVisit& visit, bool is_kept) {
    if (visit.name_is_free) {
      if (is_listed_in(*visit.folder)) changes_->create(visit.folder->place_of(visit.name));
    } else if (visit.action != Action::kSame && !(is_kept && visit.attributes_are_right)) {
      changes_->touch(visit.folder->place_of(visit.name), TargetChanges::Kind::kOther);
    }
  }

  void note_removal(const std::string& place, EntryType type) {
    const bool is_folder = type == EntryType::kDirectory;
    changes_->touch(place, is_folder ? TargetChanges::Kind::kFolder : TargetChanges::Kind::kOther);
    if (is_folder) changes_->remove_folder();
  }

  void note_selected(const std::string& path) {
    if (!site_.options.includes.empty()) site_.options.includes.note_matching(path, seen_);
    if (!not_met_.empty()) not_met_.erase(path);
  }

  // As the restore compares.
  bool is_right(const FileVisit& visit) {
    if (!wants_extras() || visit.action != Action::kUpdate ||
        visit.existing_bytes != visit.entry.size_bytes)
      return false;
    const Result<io::Fd> file = site_.target->open_for_read(visit.folder->folder(), visit.name);
    if (!file) return false;
    const Result<bool> right = has_content(file->get(), visit.entry, site_);
    return right && *right;
  }

  // A hard link to a file that was counted already.
  bool is_further_name(const FileVisit& visit) {
    if (visit.entry.links <= 1) return false;
    if (groups_.find(visit.entry) != nullptr) return true;
    groups_.add(visit.entry, std::make_shared<LinkGroup>(nullptr, "", ""));
    return false;
  }

  Result<void> count_bytes(const FileVisit& visit) {
    const Result<FileBytes> bytes = bytes_of(visit);
    if (!bytes) {
      if (site_.outcome.ending()) return site_.outcome.status();
      site_.outcome.files_failed.fetch_add(1, std::memory_order_relaxed);
      site_.outcome.trouble(visit.folder->path_of(visit.name), bytes.error());
      return {};
    }
    add_up(plan_.bytes_written, bytes->written);
    add_up(plan_.bytes_needed, bytes->allocated - std::min(bytes->allocated, visit.existing_bytes));
    return {};
  }

  // What is not in holes, and what of that the file that is there does not have.
  struct FileBytes {
    std::uint64_t allocated = 0;
    std::uint64_t written = 0;
  };
  Result<FileBytes> bytes_of(const FileVisit& visit) {
    FileBytes bytes;
    const bool is_full = depth_ == PlanDepth::kFull;
    const bool in_pieces = is_full && visit.action == Action::kUpdate && !TRY(is_whole(visit));
    io::Fd old;
    if (in_pieces) {
      Result<io::Fd> opened = site_.target->open_for_read(visit.folder->folder(), visit.name);
      if (opened) old = *std::move(opened);
    }
    TRY(for_each(visit.entry, [&](std::uint64_t offset, const Extent& extent) -> Result<void> {
      if (extent.kind != ExtentKind::kHole) add_up(bytes.allocated, extent.length);
      if (extent.kind == ExtentKind::kZeros) add_up(bytes.written, extent.length);
      if (extent.kind != ExtentKind::kChunk) return {};
      if (!is_full) {
        add_up(bytes.written, extent.length);
        return {};
      }
      const repo::ChunkLocation location = TRY(locate_chunk(site_.repository, extent));
      const chunk::ChunkRef chunk{.id = extent.id,
                                  .length = static_cast<std::uint32_t>(extent.length)};
      if (old && has_chunk_at(old.get(), offset, chunk, site_.repository).value_or(false))
        return {};
      add_up(bytes.written, extent.length);
      plan_.needs.add(location.frame);
      return {};
    }));
    return bytes;
  }

  // Whether the restore writes the file in one go: then it takes nothing from the one that is
  // there.
  Result<bool> is_whole(const FileVisit& visit) {
    if (visit.entry.content.level != 0) return false;
    std::optional<repo::FrameLocation> first;
    bool one_frame = true;
    std::uint64_t zeros = 0;
    TRY(for_each(visit.entry, [&](std::uint64_t, const Extent& extent) -> Result<void> {
      if (extent.kind == ExtentKind::kZeros) add_up(zeros, extent.length);
      if (extent.kind != ExtentKind::kChunk) return {};
      const repo::FrameLocation frame = TRY(locate_chunk(site_.repository, extent)).frame;
      if (!first) first = frame;
      one_frame = one_frame && frame == *first;
      return {};
    }));
    return one_frame && zeros <= kWholeZerosMax;
  }

  template <typename Take>
  Result<void> for_each(const snapshot::Entry& entry, Take take) {
    return snapshot::for_each_extent(
        entry.content, entry.size_bytes, site_.repository,
        [&](std::uint64_t offset, const Extent& extent) -> Result<void> {
          if (site_.outcome.ending()) return site_.outcome.status();
          return take(offset, extent);
        });
  }

  Site& site_;
  PlanDepth depth_;
  TargetChanges* changes_;  // null: nobody wants to know
  Plan plan_;
  LinkGroups groups_;
  std::set<std::size_t> seen_;     // patterns to include
  std::set<std::string> not_met_;  // of RestoreOptions::only
};

}  // namespace

Result<Plan> make_plan(Site& site, PlanDepth depth) {
  Planner planner(site, depth, nullptr);
  TRY(walk_target(site, planner, TreeDamage::kReport));
  return planner.finish();
}

Result<Plan> plan_changes(Site& site, TargetChanges& changes) {
  Planner planner(site, PlanDepth::kTotals, &changes);
  TRY(walk_target(site, planner, TreeDamage::kReport));
  return planner.finish();
}

std::uint64_t spare_bytes(const Plan& plan, const std::string& target) {
  const Result<std::uint64_t> free = io::free_bytes(target);
  if (!free) return std::numeric_limits<std::uint64_t>::max();
  return *free - std::min(*free, plan.bytes_needed);
}

namespace {

Error read_only_target(const std::string& target) {
  return Error(
             ErrorCode::kPermissionDenied,
             fmt::format("opening the target: the file system of {} is mounted read-only", target))
      .with_hint("Choose another target, or mount it for writing: mount -o remount,rw PLACE");
}

Error too_little_room(std::string what) {
  return Error(ErrorCode::kNoSpace, std::move(what))
      .with_hint("Free some space, restore less (--include), or choose another target.");
}

}  // namespace

Result<void> check_room(const Plan& plan, const std::string& target) {
  const auto facts = io::file_system_facts(existing_folder(target));
  // Where nobody knows, the first write that does not fit tells.
  if (!facts) return {};
  // Below the root, other file systems are mounted that may well be written.
  if (facts->read_only && target != "/") return std::unexpected(read_only_target(target));
  if (plan.bytes_needed - std::min(plan.bytes_needed, plan.bytes_freed) > facts->free_bytes) {
    return std::unexpected(too_little_room(fmt::format("{} are needed at {}, which has {} free",
                                                       format_byte_size(plan.bytes_needed), target,
                                                       format_byte_size(facts->free_bytes))));
  }
  if (facts->free_inodes && plan.inodes_needed > *facts->free_inodes) {
    return std::unexpected(too_little_room(
        fmt::format("{} new files and folders need as many inodes at {}, which has {} free",
                    plan.inodes_needed, target, *facts->free_inodes)));
  }
  return {};
}

std::vector<std::string> target_warnings(const Plan& plan, const io::FileSystemFacts& facts) {
  std::vector<std::string> warnings;
  const std::string name = facts.name.empty() ? "the target's file system" : facts.name;
  if (facts.ignores_case) {
    warnings.push_back(fmt::format(
        "{} does not tell capital letters from small ones: of names that differ in nothing else, "
        "only the first is restored, and the others are named",
        name));
  }
  if (!facts.keeps_attributes) {
    warnings.push_back(
        fmt::format("{} keeps no owners, permissions and extended attributes", name));
    if (plan.links > 0) {
      warnings.push_back(fmt::format(
          "{} has no links and special files: {} of them cannot be restored", name, plan.links));
    }
  }
  if (plan.bytes_largest > facts.file_bytes_max) {
    warnings.push_back(fmt::format("{} keeps no file larger than {}", name,
                                   format_byte_size(facts.file_bytes_max)));
  }
  return warnings;
}

}  // namespace backstay::engine::restoring
