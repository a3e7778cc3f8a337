#include "engine/restore/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "engine/restore/file_bytes.h"
#include "engine/restore/kept_places.h"
#include "engine/restore/leftovers.h"
#include "engine/restore/link_groups.h"
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
  Planner(Site& site, PlanDepth depth) : site_(site), depth_(depth) {
    if (site.target != nullptr) count_leftovers(site.target->root());
  }

  void target(FolderNode& node, const snapshot::Entry& /*entry*/) override {
    note_selected(node.path());
  }
  void count_target() override { ++plan_.dirs; }
  Result<FolderNodePtr> folder(FolderVisit visit) override {
    ++plan_.dirs;
    note_selected(visit.parent->path_of(visit.name));
    const bool is_there = visit.existing == EntryType::kDirectory;
    source::TargetFolderPtr folder =
        is_there ? TRY(site_.target->find_folder(visit.parent->folder(), visit.name)) : nullptr;
    auto node = std::make_shared<FolderNode>(std::move(visit.parent), std::move(visit.name),
                                             std::move(folder));
    if (node->folder() == nullptr) node->mark_new();
    if (node->folder() != nullptr) count_leftovers(node->folder());
    return node;
  }

  Result<void> file(FileVisit visit) override {
    ++plan_.files;
    note_selected(visit.folder->path_of(visit.name));
    const bool is_regular = visit.entry.type == EntryType::kFile;
    if (is_regular) add_up(plan_.bytes, visit.entry.size_bytes);
    const bool is_left = visit.action == Action::kLeave;
    const bool is_link = !is_left && is_further_name(visit);
    const bool is_kept = is_left || visit.action == Action::kSame ||
                         (!is_link && (visit.action == Action::kKeep || is_right(visit)));
    ++(is_kept ? plan_.files_unchanged : plan_.files_written);
    if (!is_regular || is_kept || is_link) return {};
    const Result<std::uint64_t> allocated = allocated_bytes(visit.entry);
    if (!allocated) {
      if (site_.outcome.ending()) return site_.outcome.status();
      site_.outcome.files_failed.fetch_add(1, std::memory_order_relaxed);
      site_.outcome.trouble(visit.folder->path_of(visit.name), allocated.error());
      return {};
    }
    add_up(plan_.bytes_written, *allocated);
    add_up(plan_.bytes_needed, *allocated - std::min(*allocated, visit.existing_bytes));
    return {};
  }

  [[nodiscard]] bool wants_extras() const override { return depth_ == PlanDepth::kFull; }
  bool extra(const FolderNodePtr& folder, const std::string& name, EntryType type) override {
    site_.outcome.deleted(folder->path_of(name), type, site_.options);
    return true;
  }
  Result<FolderNodePtr> enter_extra(const FolderNodePtr& parent, const std::string& name,
                                    const snapshot::Entry& /*existing*/) override {
    source::TargetFolderPtr folder = TRY(site_.target->find_folder(parent->folder(), name));
    if (folder == nullptr) return FolderNodePtr();
    return std::make_shared<FolderNode>(parent, name, std::move(folder));
  }
  Result<void> clear_folder(const FolderNodePtr& /*folder*/, const std::string& /*name*/) override {
    return {};
  }

  [[nodiscard]] Plan finish() {
    plan_.errors = site_.outcome.report().errors;
    // What is below a folder that cannot be restored, or on a damaged page, was not looked at.
    if (plan_.errors == 0) plan_.unmatched = site_.options.includes.not_among(seen_);
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

  void note_selected(const std::string& path) {
    if (!site_.options.includes.empty()) site_.options.includes.note_matching(path, seen_);
  }

  // As the restore compares.
  bool is_right(const FileVisit& visit) {
    if (depth_ == PlanDepth::kTotals || visit.action != Action::kUpdate ||
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

  Result<std::uint64_t> allocated_bytes(const snapshot::Entry& entry) {
    std::uint64_t allocated = 0;
    TRY(snapshot::for_each_extent(
        entry.content, entry.size_bytes, site_.repository,
        [&](std::uint64_t, const Extent& extent) -> Result<void> {
          if (site_.outcome.ending()) return site_.outcome.status();
          if (extent.kind != ExtentKind::kHole) add_up(allocated, extent.length);
          if (depth_ == PlanDepth::kTotals || extent.kind != ExtentKind::kChunk) return {};
          if (TRY(site_.repository.locate(extent.id))) return {};
          return fail(ErrorCode::kNotFound,
                      "chunk " + extent.id.short_hex() + " is not in the repository's index");
        }));
    return allocated;
  }

  Site& site_;
  PlanDepth depth_;
  Plan plan_;
  LinkGroups groups_;
  std::set<std::size_t> seen_;  // patterns to include
};

}  // namespace

Result<Plan> make_plan(Site& site, PlanDepth depth) {
  Planner planner(site, depth);
  TRY(walk_target(site, planner, TreeDamage::kReport));
  return planner.finish();
}

std::uint64_t spare_bytes(const Plan& plan, const std::string& target) {
  const Result<std::uint64_t> free = io::free_bytes(target);
  if (!free) return std::numeric_limits<std::uint64_t>::max();
  return *free - std::min(*free, plan.bytes_needed);
}

Result<void> check_space(const Plan& plan, const std::string& target) {
  const Result<std::uint64_t> free = io::free_bytes(existing_folder(target));
  // Where nobody knows, the first write that does not fit tells.
  if (!free || plan.bytes_needed - std::min(plan.bytes_needed, plan.bytes_freed) <= *free)
    return {};
  return std::unexpected(
      Error(ErrorCode::kNoSpace,
            fmt::format("{} are needed at {}, which has {} free",
                        format_byte_size(plan.bytes_needed), target, format_byte_size(*free)))
          .with_hint("Free some space, restore less (--include), or choose another target."));
}

}  // namespace backstay::engine::restoring
