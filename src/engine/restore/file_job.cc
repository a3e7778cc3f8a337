#include "engine/restore/file_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "engine/restore/file_bytes.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::Entry;
using Existing = source::TargetTree::Existing;

// A file with one of these inode flags (FS_IMMUTABLE_FL, FS_APPEND_FL) cannot be renamed.
constexpr std::uint32_t kProtectingFlags = 0x10 | 0x20;

Error partly_updated(const FileJob& job, const Error& error) {
  Error told = error.clone();
  if (!job.in_place()) return told;
  return std::move(told)
      .with_context("updating the file in place, which now has bytes of both states")
      .with_hint("Restore the file from another snapshot, or remove it.");
}

}  // namespace

void FileJob::fail(const Error& error) {
  if (failed.exchange(true)) return;
  Outcome& outcome = folder->site().outcome;
  outcome.files_failed.fetch_add(1, std::memory_order_relaxed);
  const std::string where = path();
  outcome.leave_out_of_verify(where);
  outcome.trouble(where, changed ? partly_updated(*this, error) : error.clone());
}

void FileWorker::write_whole(FileJob& job, std::span<const Segment> segments) {
  job.temporary = site_.names.next();
  Result<io::Fd> fd = site_.target->open_for_write(job.folder->folder(), job.temporary,
                                                   job.entry.size_bytes, Existing::kReplace);
  Result<void> written = fd ? fill(job, fd->get(), segments) : std::unexpected(fd.error().clone());
  if (written) written = put_in_place(job, fd->get());
  if (written) return complete(job, true);
  job.fail(written.error());
  static_cast<void>(site_.target->remove(job.folder->folder(), job.temporary));
  abandon(job);
}

Result<void> FileWorker::fill(FileJob& job, int fd, std::span<const Segment> segments) {
  for (const Segment& segment : segments) {
    TRY(io::pwrite_full(fd, segment.bytes, segment.offset));
    site_.outcome.bytes_written.fetch_add(segment.bytes.size(), std::memory_order_relaxed);
  }
  for (const ZeroRange& range : job.zeros) {
    site_.outcome.bytes_written.fetch_add(range.length, std::memory_order_relaxed);
    TRY(write_zeros_at(fd, range.offset, range.length, site_));
  }
  site_.outcome.progress().bytes_done.fetch_add(job.entry.size_bytes, std::memory_order_relaxed);
  return {};
}

// The file gets its name last, and its attributes before that, so that whoever sees the name sees
// all of it; except where attributes would forbid the renaming.
Result<void> FileWorker::put_in_place(FileJob& job, int fd) {
  const bool protects = (job.entry.inode_flags & kProtectingFlags) != 0;
  if (!protects) set_attributes(job, fd);
  TRY(rename(job));
  if (protects) set_attributes(job, fd);
  return {};
}

Result<void> FileWorker::rename(FileJob& job) {
  if (job.temporary.empty()) return {};
  const source::TargetFolderPtr& folder = job.folder->folder();
  Result<void> renamed = site_.target->rename(folder, job.temporary, job.name);
  if (!renamed && renamed.error().code() == ErrorCode::kPermissionDenied) {
    // What stands there may be protected, which remove() knows to undo.
    TRY(site_.target->remove(folder, job.name));
    renamed = site_.target->rename(folder, job.temporary, job.name);
  }
  if (renamed) job.temporary.clear();
  return renamed;
}

void FileWorker::set_attributes(FileJob& job, int fd) {
  const auto report =
      site_.target->set_attributes(job.folder->folder(), job.name_now(), job.entry, fd);
  if (!report) {
    site_.outcome.trouble(job.path(),
                          report.error().clone().with_context("setting its attributes"));
  } else if (!report->not_set.empty()) {
    site_.outcome.attributes(job.path(), *report);
  }
}

void FileWorker::keep(FileJob& job) {
  set_attributes(job, -1);
  site_.outcome.progress().bytes_done.fetch_add(job.entry.size_bytes, std::memory_order_relaxed);
  complete(job, false);
}

void FileWorker::make_special(FileJob& job) {
  const Result<void> made = site_.target->make_special(job.folder->folder(), job.name, job.entry);
  if (!made) {
    job.fail(made.error());
    return abandon(job);
  }
  set_attributes(job, -1);
  complete(job, true);
}

Result<void> FileWorker::begin(FileJob& job) {
  if (job.in_place()) {
    job.changed = job.existing_bytes != job.entry.size_bytes;
  } else {
    job.temporary = site_.names.next();
  }
  const Existing existing = job.in_place() ? Existing::kKeepBytes : Existing::kReplace;
  files_.keep(job, TRY(site_.target->open_for_write(job.folder->folder(), job.name_now(),
                                                    job.entry.size_bytes, existing)));
  return {};
}

Result<void> FileWorker::write(FileJob& job, std::uint64_t offset, ByteView bytes) {
  const FileHandle file = TRY(files_.get(job));
  job.changed = true;
  TRY(io::pwrite_full(file->get(), bytes, offset));
  site_.outcome.bytes_written.fetch_add(bytes.size(), std::memory_order_relaxed);
  site_.outcome.progress().bytes_done.fetch_add(bytes.size(), std::memory_order_relaxed);
  return {};
}

Result<void> FileWorker::write_zeros(FileJob& job, const ZeroRange& range) {
  const FileHandle file = TRY(files_.get(job));
  if (job.in_place()) {
    const std::uint64_t changed = TRY(update_zeros_at(file->get(), range, site_));
    if (changed > 0) job.changed = true;
    site_.outcome.bytes_written.fetch_add(changed, std::memory_order_relaxed);
  } else {
    TRY(write_zeros_at(file->get(), range.offset, range.length, site_));
    site_.outcome.bytes_written.fetch_add(range.length, std::memory_order_relaxed);
  }
  site_.outcome.progress().bytes_done.fetch_add(range.length, std::memory_order_relaxed);
  return {};
}

Result<bool> FileWorker::has_chunk(FileJob& job, std::uint64_t offset,
                                   const chunk::ChunkRef& chunk) {
  if (!job.is_whole)
    return has_chunk_at(TRY(files_.get(job))->get(), offset, chunk, site_.repository);
  const io::Fd fd = TRY(site_.target->open_for_read(job.folder->folder(), job.name));
  return has_chunk_at(fd.get(), offset, chunk, site_.repository);
}

void FileWorker::finish_piece(FileJob& job) {
  if (job.pieces_left.fetch_sub(1, std::memory_order_acq_rel) == 1) finish_pieces(job);
}

void FileWorker::finish_pieces(FileJob& job) {
  if (!job.failed && !site_.outcome.ending()) {
    Result<FileHandle> file = files_.get(job);
    const Result<void> placed =
        file ? put_in_place(job, (*file)->get()) : std::unexpected(file.error().clone());
    if (!placed) job.fail(placed.error());
  } else if (job.in_place() && job.changed) {
    job.fail(Error(ErrorCode::kCancelled, "the restore ended before the file was whole"));
  }
  files_.forget(job);
  // What is still called by its temporary name is not whole.
  if (!job.temporary.empty())
    static_cast<void>(site_.target->remove(job.folder->folder(), job.temporary));
  if (job.failed || site_.outcome.ending()) return abandon(job);
  complete(job, !job.in_place() || job.changed);
}

void FileWorker::complete(FileJob& job, bool was_written) {
  auto& count = was_written ? site_.outcome.files_restored : site_.outcome.files_unchanged;
  count.fetch_add(1, std::memory_order_relaxed);
  site_.outcome.progress().files_done.fetch_add(1, std::memory_order_relaxed);
  settle(job, LinkGroup::State::kReady);
}

void FileWorker::abandon(FileJob& job) {
  site_.outcome.progress().files_done.fetch_add(1, std::memory_order_relaxed);
  settle(job, LinkGroup::State::kFailed);
}

void FileWorker::settle(FileJob& job, LinkGroup::State state) {
  if (job.group == nullptr) return;
  for (const LinkMember& member : job.group->settle(state)) make_link(*job.group, state, member);
}

void FileWorker::link(LinkGroup& group, LinkMember member) {
  const LinkGroup::State state = group.join(member);
  if (state != LinkGroup::State::kPending) make_link(group, state, member);
}

void FileWorker::make_link(LinkGroup& group, LinkGroup::State state, const LinkMember& member) {
  Outcome& outcome = site_.outcome;
  outcome.progress().files_done.fetch_add(1, std::memory_order_relaxed);
  if (outcome.ending()) return;
  const auto make = [&]() -> Result<void> {
    if (state == LinkGroup::State::kFailed) {
      return fail(
          ErrorCode::kNotFound,
          fmt::format("{}, which it is a hard link to, could not be restored", group.path()));
    }
    return site_.target->make_hard_link(group.folder(), group.name(), member.folder->folder(),
                                        member.name);
  };
  const Result<void> made = make();
  if (made) {
    auto& count = member.was_same ? outcome.files_unchanged : outcome.files_restored;
    count.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::string path = member.folder->path_of(member.name);
  outcome.files_failed.fetch_add(1, std::memory_order_relaxed);
  outcome.leave_out_of_verify(path);
  outcome.trouble(path, made.error());
}

}  // namespace backstay::engine::restoring
