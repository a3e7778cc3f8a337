#include "engine/restore/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "engine/restore/kept_places.h"
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
  Planner(Site& site, PlanDepth depth) : site_(site), depth_(depth) {}

  void target(FolderNode& /*node*/, const snapshot::Entry& /*entry*/) override {}
  Result<FolderNodePtr> folder(FolderVisit visit) override {
    ++plan_.dirs;
    const bool is_there = visit.existing == EntryType::kDirectory;
    source::TargetFolderPtr folder =
        is_there ? TRY(site_.target->find_folder(visit.parent->folder(), visit.name)) : nullptr;
    auto node = std::make_shared<FolderNode>(std::move(visit.parent), std::move(visit.name),
                                             std::move(folder));
    if (node->folder() == nullptr) node->mark_new();
    return node;
  }

  Result<void> file(FileVisit visit) override {
    ++plan_.files;
    const bool is_regular = visit.entry.type == EntryType::kFile;
    if (is_regular) add_up(plan_.bytes, visit.entry.size_bytes);
    const bool is_kept = visit.action != Action::kWrite && visit.action != Action::kUpdate;
    ++(is_kept ? plan_.files_unchanged : plan_.files_written);
    if (!is_regular || is_kept || is_further_name(visit)) return {};
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

  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
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
};

}  // namespace

Result<Plan> make_plan(Site& site, PlanDepth depth) {
  Planner planner(site, depth);
  TRY(walk_target(site, planner, TreeDamage::kReport));
  return planner.plan();
}

Result<void> check_space(const Plan& plan, const std::string& target) {
  const Result<std::uint64_t> free = io::free_bytes(existing_folder(target));
  // Where nobody knows, the first write that does not fit tells.
  if (!free || plan.bytes_needed <= *free) return {};
  return std::unexpected(
      Error(ErrorCode::kNoSpace,
            fmt::format("{} are needed at {}, which has {} free",
                        format_byte_size(plan.bytes_needed), target, format_byte_size(*free)))
          .with_hint("Free some space, restore less (--include), or choose another target."));
}

}  // namespace backstay::engine::restoring
