#include "engine/restore/restore_run.h"
#include "engine/restore/locate_chunk.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "engine/restore/file_bytes.h"
#include "engine/restore/leftovers.h"
#include "engine/restore/saved_states.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;

// Zeros are shared out to the workers in runs of at most this length.
constexpr std::uint64_t kZeroRunMax = 64 << 20;
constexpr std::uint64_t kReservedRunMax = 256 << 20;
// The progress line names one file in so many.
constexpr std::uint64_t kNamedEvery = 64;

// What a small file is made from: all its extents.
struct Parts {
  struct Part {
    repo::FrameLocation frame;
    Piece piece;
  };
  std::vector<Part> parts;
  std::vector<ZeroRange> zeros;
  std::uint64_t zero_bytes = 0;

  [[nodiscard]] bool in_one_frame() const {
    return std::ranges::all_of(parts,
                               [&](const Part& part) { return part.frame == parts.front().frame; });
  }
};

}  // namespace

RestoreRun::RestoreRun(Site& site, std::uint64_t spare_bytes)
    : site_(site),
      worker_(site, spare_bytes),
      workers_(site.limits.threads, site.limits.window_pieces),
      window_(site, worker_, workers_) {}

Result<void> RestoreRun::run() {
  clear_leftovers(site_, FolderNode(site_, site_.target->root(), site_.options.subpath));
  Result<void> walked = walk_target(site_, *this, TreeDamage::kReport);
  if (!walked) site_.outcome.end(walked.error());
  // Also after a failure: what the window holds must be finished or removed again.
  window_.hand_over();
  workers_.finish();
  return site_.outcome.status();
}

void RestoreRun::target(FolderNode& node, const snapshot::Entry& entry) {
  if (site_.options.overwrite != Overwrite::kNever) node.set_attributes_at_end(entry);
}

void RestoreRun::count_target() {
  site_.outcome.dirs_restored.fetch_add(1, std::memory_order_relaxed);
}

Result<FolderNodePtr> RestoreRun::folder(FolderVisit visit) {
  const bool was_there = visit.existing == EntryType::kDirectory;
  if (visit.existing && !was_there) TRY(require_saved(*visit.parent, visit.name));
  source::TargetFolderPtr made = TRY(site_.target->make_folder(visit.parent->folder(), visit.name));
  auto node =
      std::make_shared<FolderNode>(std::move(visit.parent), std::move(visit.name), std::move(made));
  if (was_there) {
    clear_leftovers(site_, *node);
  } else {
    node->mark_new();
  }
  const bool keep_existing = was_there && site_.options.overwrite == Overwrite::kNever;
  if (visit.entry && !keep_existing) node->set_attributes_at_end(std::move(*visit.entry));
  site_.outcome.dirs_restored.fetch_add(1, std::memory_order_relaxed);
  return node;
}

Result<void> RestoreRun::file(FileVisit visit) {
  if (visit.action == Action::kLeave) {
    leave_alone(visit);
    return {};
  }
  if (link_to_group(visit)) return {};
  auto job = std::make_shared<FileJob>();
  job->folder = std::move(visit.folder);
  job->name = std::move(visit.name);
  job->entry = std::move(visit.entry);
  job->action = visit.action;
  job->existing_bytes = visit.existing_bytes;
  job->name_is_free = visit.name_is_free;
  job->number = next_number_++;
  if (job->entry.links > 1) become_holder(*job);
  if (job->number % kNamedEvery == 0) site_.outcome.progress().set_current(job->path());

  const bool has_bytes = job->entry.type == EntryType::kFile && job->action != Action::kKeep;
  window_.count(job->entry);
  if (job->action == Action::kSame) {
    worker_.complete(*job, false);
  } else if (has_bytes) {
    restore_bytes(job);
  } else {
    window_.add(LooseJob{.file = job, .group = {}, .member = {}});
  }
  hand_over_if_full();
  return {};
}

void RestoreRun::leave_alone(const FileVisit& visit) {
  Outcome& outcome = site_.outcome;
  outcome.files_unchanged.fetch_add(1, std::memory_order_relaxed);
  outcome.progress().files_done.fetch_add(1, std::memory_order_relaxed);
  outcome.progress().bytes_done.fetch_add(visit.entry.size_bytes, std::memory_order_relaxed);
  if (site_.options.verify || site_.options.validate)
    outcome.leave_out_of_verify(visit.folder->path_of(visit.name));
}

// A name of a file that was met before under another one.
bool RestoreRun::link_to_group(const FileVisit& visit) {
  if (visit.entry.links <= 1) return false;
  LinkGroupPtr group = groups_.find(visit.entry);
  if (group == nullptr) return false;
  site_.outcome.progress().bytes_done.fetch_add(visit.entry.size_bytes, std::memory_order_relaxed);
  window_.count(visit.entry);
  window_.add(LooseJob{
      .file = {},
      .group = std::move(group),
      .member = {
          .folder = visit.folder, .name = visit.name, .was_same = visit.action == Action::kSame}});
  hand_over_if_full();
  return true;
}

void RestoreRun::become_holder(FileJob& job) {
  job.group = std::make_shared<LinkGroup>(job.folder->folder(), job.name, job.path());
  groups_.add(job.entry, job.group);
}

void RestoreRun::restore_bytes(const FileJobPtr& job) {
  const Result<void> placed = job->entry.content.level == 0 ? place_small(job) : place_large(job);
  if (!placed) job->fail(placed.error());
  // A file that never got a piece, or whose last piece is written already, is finished here.
  if (placed && job->action == Action::kKeep) {
    worker_.keep(*job);
  } else if (!job->is_whole) {
    worker_.finish_piece(*job);
  } else if (!placed) {
    worker_.abandon(*job);
  }
}

Result<void> RestoreRun::place_small(const FileJobPtr& job) {
  Parts all;
  TRY(snapshot::for_each_extent(
      job->entry.content, job->entry.size_bytes, site_.repository,
      [&](std::uint64_t offset, const Extent& extent) -> Result<void> {
        if (extent.kind == ExtentKind::kZeros) {
          all.zeros.push_back({.offset = offset, .length = extent.length});
          all.zero_bytes += extent.length;
        }
        if (extent.kind != ExtentKind::kChunk) return {};
        const repo::ChunkLocation location = TRY(locate(extent));
        const auto length = static_cast<std::uint32_t>(extent.length);
        all.parts.push_back({.frame = location.frame,
                             .piece = {.job = job,
                                       .file_offset = offset,
                                       .chunk = {.id = extent.id, .length = length},
                                       .offset_in_frame = location.offset_in_frame}});
        return {};
      }));
  job->is_whole = all.in_one_frame() && all.zero_bytes <= kWholeZerosMax;
  if (!job->is_whole) return place_large(job);
  job->zeros = std::move(all.zeros);
  if (all.parts.empty()) window_.add(LooseJob{.file = job, .group = {}, .member = {}});
  for (Parts::Part& part : all.parts) window_.add(part.frame, std::move(part.piece));
  return {};
}

Result<void> RestoreRun::place_large(const FileJobPtr& job) {
  if (job->action == Action::kUpdate) {
    if (worker_.is_right(*job)) {
      job->action = Action::kKeep;
      return {};
    }
    // Where there is no room, the file that exists changes: it must not turn out then that chunks
    // are gone.
    TRY(check_chunks(*job));
  }
  TRY(worker_.begin(*job));
  site_.outcome.progress().set_current(job->path());
  // Chunks side by side get their space together.
  std::uint64_t run_offset = 0;
  std::uint64_t run_length = 0;
  TRY(snapshot::for_each_extent(job->entry.content, job->entry.size_bytes, site_.repository,
                                [&](std::uint64_t offset, const Extent& extent) -> Result<void> {
                                  const bool is_chunk = extent.kind == ExtentKind::kChunk;
                                  if (!is_chunk || run_length >= kReservedRunMax ||
                                      offset != run_offset + run_length) {
                                    TRY(worker_.reserve(*job, run_offset, run_length));
                                    run_offset = offset;
                                    run_length = 0;
                                  }
                                  if (is_chunk) run_length += extent.length;
                                  return add_extent(job, offset, extent);
                                }));
  return worker_.reserve(*job, run_offset, run_length);
}

Result<void> RestoreRun::check_chunks(FileJob& job) {
  return snapshot::for_each_extent(job.entry.content, job.entry.size_bytes, site_.repository,
                                   [&](std::uint64_t, const Extent& extent) -> Result<void> {
                                     if (site_.outcome.ending()) return site_.outcome.status();
                                     if (extent.kind != ExtentKind::kHole)
                                       job.allocated_bytes += extent.length;
                                     if (extent.kind == ExtentKind::kChunk) TRY(locate(extent));
                                     return {};
                                   });
}

Result<void> RestoreRun::add_extent(const FileJobPtr& job, std::uint64_t offset,
                                    const Extent& extent) {
  if (site_.outcome.ending()) return site_.outcome.status();
  if (job->failed) return fail(ErrorCode::kCancelled, "the file failed before");
  if (extent.kind == ExtentKind::kChunk) {
    const repo::ChunkLocation location = TRY(locate(extent));
    job->pieces_left.fetch_add(1, std::memory_order_relaxed);
    window_.add(location.frame,
                {.job = job,
                 .file_offset = offset,
                 .chunk = {.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)},
                 .offset_in_frame = location.offset_in_frame});
  } else if (extent.kind == ExtentKind::kZeros || job->has_old_bytes) {
    const bool is_hole = extent.kind == ExtentKind::kHole;
    add_zeros(job, {.offset = offset,
                    .length = extent.length,
                    .kind = is_hole ? ZeroRange::Kind::kHole : ZeroRange::Kind::kAllocated});
  } else {
    site_.outcome.progress().bytes_done.fetch_add(extent.length, std::memory_order_relaxed);
  }
  hand_over_if_full();
  return {};
}

void RestoreRun::add_zeros(const FileJobPtr& job, ZeroRange range) {
  while (range.length > 0 && !site_.outcome.ending() && !job->failed) {
    ZeroRange run = range;
    if (run.kind == ZeroRange::Kind::kAllocated) run.length = std::min(run.length, kZeroRunMax);
    job->pieces_left.fetch_add(1, std::memory_order_relaxed);
    window_.add(ZeroJob{.file = job, .range = run});
    range.offset += run.length;
    range.length -= run.length;
    hand_over_if_full();
  }
}

Result<repo::ChunkLocation> RestoreRun::locate(const Extent& extent) const {
  auto location = locate_chunk(site_.repository, extent);
  if (location || location.error().code() != ErrorCode::kNotFound) return location;
  return std::unexpected(
      std::move(location).error().with_hint("Run 'backstay check' to see what is affected."));
}

void RestoreRun::hand_over_if_full() {
  if (window_.is_full()) window_.hand_over();
}

// With something to be kept, nothing goes unseen: a folder only once it is empty.
Result<void> RestoreRun::remove(const FolderNode& folder, const std::string& name, EntryType type) {
  if (TRY(require_saved(folder, name)) == Stands::kUnchecked || type != EntryType::kDirectory)
    return site_.target->remove(folder.folder(), name);
  return site_.target->remove_empty_folder(folder.folder(), name);
}

bool RestoreRun::extra(const FolderNodePtr& folder, const std::string& name, EntryType type) {
  const Result<void> removed = remove(*folder, name, type);
  const std::string path = folder->path_of(name);
  if (removed) {
    site_.outcome.deleted(path, type, site_.options);
  } else {
    site_.outcome.trouble(path, removed.error().clone().with_context("deleting it"));
  }
  return removed.has_value();
}

// It may be closed to its owner or protected: should it stay, it becomes what it was.
Result<FolderNodePtr> RestoreRun::enter_extra(const FolderNodePtr& parent, const std::string& name,
                                              const snapshot::Entry& existing) {
  source::TargetFolderPtr folder = TRY(site_.target->make_folder(parent->folder(), name));
  auto node = std::make_shared<FolderNode>(parent, name, std::move(folder));
  node->set_attributes_at_end(existing);
  return node;
}

Result<void> RestoreRun::clear_folder(const FolderNodePtr& folder, const std::string& name) {
  return remove(*folder, name, EntryType::kDirectory);
}

}  // namespace backstay::engine::restoring
