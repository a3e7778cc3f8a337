#include "engine/restore/window.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace backstay::engine::restoring {
namespace {

// Tasks without frames are small: handed over one by one, the queue would cost more than they do.
constexpr std::size_t kBatch = 64;

void run_loose(const LooseJob& job, FileWorker& worker, const Site& site) {
  if (job.file == nullptr) return worker.link(*job.group, job.member);
  FileJob& file = *job.file;
  if (site.outcome.ending()) return worker.abandon(file);
  if (file.action == Action::kKeep || worker.is_right(file)) return worker.keep(file);
  if (file.entry.type == snapshot::EntryType::kFile) return worker.write_whole(file, {});
  worker.make_special(file);
}

void run_zeros(const ZeroJob& job, FileWorker& worker, const Site& site) {
  if (!job.file->failed && !site.outcome.ending()) {
    const Result<void> written = worker.write_zeros(*job.file, job.range);
    if (!written) job.file->fail(written.error());
  }
  worker.finish_piece(*job.file);
}

// Calls `submit` with runs of `jobs`, which is empty afterwards.
template <typename Job, typename Submit>
void hand_over_batches(std::vector<Job>& jobs, Submit submit) {
  for (std::size_t begin = 0; begin < jobs.size(); begin += kBatch) {
    const std::size_t end = std::min(begin + kBatch, jobs.size());
    submit(
        std::vector<Job>(std::make_move_iterator(jobs.begin() + static_cast<std::ptrdiff_t>(begin)),
                         std::make_move_iterator(jobs.begin() + static_cast<std::ptrdiff_t>(end))));
  }
  jobs.clear();
}

}  // namespace

void Window::add(const repo::FrameLocation& frame, Piece piece) {
  placed_.push_back({.frame = frame, .piece = std::move(piece)});
}

void Window::add(ZeroJob zeros) {
  zeros_.push_back(std::move(zeros));
}

void Window::add(LooseJob job) {
  loose_.push_back(std::move(job));
}

void Window::count(const snapshot::Entry& entry) {
  ++files_;
  entry_bytes_ += sizeof(FileJob) + entry.symlink_target.size() +
                  entry.content.extents.size() * sizeof(snapshot::Extent);
  for (const snapshot::ExtendedAttribute& xattr : entry.xattrs)
    entry_bytes_ += sizeof xattr + xattr.name.size() + xattr.value.size();
}

bool Window::is_full() const {
  return placed_.size() + zeros_.size() >= site_.limits.window_pieces ||
         files_ >= site_.limits.window_files || entry_bytes_ >= site_.limits.window_entry_bytes;
}

void Window::hand_over() {
  hand_over_frames();
  hand_over_zeros();
  hand_over_loose();
  files_ = 0;
  entry_bytes_ = 0;
}

void Window::sort_by_place() {
  std::unordered_map<repo::ObjectId, std::uint64_t> first_met;
  for (const Placed& placed : placed_) {
    const auto [place, is_new] = first_met.try_emplace(placed.frame.pack, placed.piece.job->number);
    place->second = std::min(place->second, placed.piece.job->number);
  }
  for (Placed& placed : placed_) placed.pack_order = first_met.at(placed.frame.pack);
  std::ranges::sort(placed_, [](const Placed& a, const Placed& b) {
    return std::tie(a.pack_order, a.frame.pack, a.frame.offset, a.piece.job->number,
                    a.piece.file_offset) < std::tie(b.pack_order, b.frame.pack, b.frame.offset,
                                                    b.piece.job->number, b.piece.file_offset);
  });
}

void Window::hand_over_frames() {
  sort_by_place();
  for (auto begin = placed_.begin(); begin != placed_.end();) {
    FrameTask task{.frame = begin->frame, .pieces = {}};
    auto end = begin;
    for (; end != placed_.end() && end->frame == task.frame; ++end)
      task.pieces.push_back(std::move(end->piece));
    begin = end;
    const std::size_t weight = task.pieces.size();
    workers_.submit([task = std::move(task), &site = site_,
                     &worker = worker_]() mutable { run_frame_task(task, site, worker); },
                    weight);
  }
  placed_.clear();
}

void Window::hand_over_zeros() {
  hand_over_batches(zeros_, [this](std::vector<ZeroJob> batch) {
    const std::size_t weight = batch.size();
    workers_.submit(
        [batch = std::move(batch), &site = site_, &worker = worker_] {
          for (const ZeroJob& job : batch) run_zeros(job, worker, site);
        },
        weight);
  });
}

void Window::hand_over_loose() {
  hand_over_batches(loose_, [this](std::vector<LooseJob> batch) {
    const std::size_t weight = batch.size();
    workers_.submit(
        [batch = std::move(batch), &site = site_, &worker = worker_] {
          for (const LooseJob& job : batch) run_loose(job, worker, site);
        },
        weight);
  });
}

}  // namespace backstay::engine::restoring
