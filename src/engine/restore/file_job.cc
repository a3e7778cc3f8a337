#include "engine/restore/file_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "engine/restore/file_bytes.h"
#include "engine/restore/leftovers.h"
#include "engine/restore/saved_states.h"
#include "io/attributes.h"
#include "io/metadata.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {
namespace {

using Existing = source::TargetTree::Existing;

// A file with one of these inode flags (FS_IMMUTABLE_FL, FS_APPEND_FL) cannot be renamed.
constexpr std::uint32_t kProtectingFlags = 0x10 | 0x20;
// A file that nobody sees yet is made with these bits; the others come after the owner.
constexpr std::uint32_t kModeWhenMade = 0777;
// What is left free beside a file that is written anew.
constexpr std::uint64_t kRoomBytes = 16 << 20;

Error partly_updated(const FileJob& job, const Error& error) {
  Error told = error.clone();
  if (!job.moved) return told;
  return std::move(told)
      .with_context(
          "changing the file itself, for lack of room beside it: it now has bytes of both states")
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
  Result<bool> written = write_unnamed(job, segments);
  if (written && !*written) {
    const Result<void> beside = write_beside(job, segments);
    if (!beside) written = std::unexpected(beside.error().clone());
  }
  if (!written) {
    job.fail(written.error());
    return abandon(job);
  }
  count_written(job, segments);
  complete(job, true);
}

Result<bool> FileWorker::write_unnamed(FileJob& job, std::span<const Segment> segments) {
  // A protected inode cannot be named, and a name must not be seen before the attributes are set.
  const bool protects = (job.entry.inode_flags & kProtectingFlags) != 0;
  if (!job.name_is_free || protects || !unnamed_works_.load(std::memory_order_relaxed))
    return false;
  const source::TargetFolderPtr& folder = job.folder->folder();
  const Result<io::Fd> file = site_.target->open_unnamed(folder, job.entry.mode & kModeWhenMade);
  if (!file) {
    // Why else there can be no file, the other way finds out and tells.
    if (file.error().code() == ErrorCode::kUnsupported) unnamed_works_ = false;
    return false;
  }
  TRY(fill(job, file->get(), segments));
  const AttributesDone attributes = try_attributes(job, file->get());
  const Result<void> named = site_.target->name_unnamed(folder, job.name, file->get());
  if (!named) {
    // A name that was taken meanwhile is replaced in the other way.
    if (named.error().code() == ErrorCode::kUnsupported) unnamed_works_ = false;
    return false;
  }
  report(job, attributes);
  return true;
}

Result<void> FileWorker::write_beside(FileJob& job, std::span<const Segment> segments) {
  const Result<io::Fd> fd = create_temporary(job, 0);
  Result<void> written = fd ? fill(job, fd->get(), segments) : std::unexpected(fd.error().clone());
  if (written) written = put_in_place(job, fd->get());
  if (!written) static_cast<void>(site_.target->remove(job.folder->folder(), job.temporary));
  return written;
}

// The size is set only where the last bytes are a hole.
Result<void> FileWorker::fill(FileJob& job, int fd, std::span<const Segment> segments) {
  std::uint64_t end = 0;
  for (const Segment& segment : segments) {
    TRY(io::pwrite_full(fd, segment.bytes, segment.offset));
    end = std::max(end, segment.offset + segment.bytes.size());
  }
  for (const ZeroRange& range : job.zeros) {
    TRY(write_zeros_at(fd, range.offset, range.length, site_));
    end = std::max(end, range.offset + range.length);
  }
  if (end != job.entry.size_bytes) TRY(io::set_size(fd, job.entry.size_bytes));
  return {};
}

void FileWorker::count_written(const FileJob& job, std::span<const Segment> segments) {
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments) bytes += segment.bytes.size();
  for (const ZeroRange& range : job.zeros) bytes += range.length;
  site_.outcome.bytes_written.fetch_add(bytes, std::memory_order_relaxed);
  site_.outcome.progress().bytes_done.fetch_add(job.entry.size_bytes, std::memory_order_relaxed);
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
  const Stands stands = TRY(require_saved(*job.folder, job.name));
  Result<void> renamed = stands == Stands::kFree
                             ? site_.target->rename_if_free(folder, job.temporary, job.name)
                             : site_.target->rename(folder, job.temporary, job.name);
  if (!renamed && stands == Stands::kFree && renamed.error().code() == ErrorCode::kUnsupported)
    renamed = site_.target->rename(folder, job.temporary, job.name);
  TRY(std::move(renamed));
  job.temporary.clear();
  return {};
}

FileWorker::AttributesDone FileWorker::try_attributes(FileJob& job, int fd) {
  return site_.target->set_attributes(job.folder->folder(), job.name_now(), job.entry, fd);
}

void FileWorker::report(const FileJob& job, const AttributesDone& done) {
  if (!done) {
    site_.outcome.trouble(job.path(), done.error().clone().with_context("setting its attributes"));
  } else if (!done->not_set.empty()) {
    site_.outcome.attributes(job.path(), *done);
  }
}

// Attributes that are right already need not be in a safety snapshot.
Result<bool> FileWorker::may_set_attributes(const FileJob& job) {
  if (site_.saved == nullptr) return true;
  const auto existing = TRY(site_.target->look(job.folder->folder(), job.name));
  if (existing && site_.target->has_attributes(*existing, job.entry)) return false;
  TRY(require_saved(*job.folder, job.name));
  return true;
}

void FileWorker::keep(FileJob& job) {
  const Result<bool> may = may_set_attributes(job);
  if (!may) {
    job.fail(may.error());
    return abandon(job);
  }
  if (*may) set_attributes(job, -1);
  site_.outcome.progress().bytes_done.fetch_add(job.entry.size_bytes, std::memory_order_relaxed);
  complete(job, false);
}

void FileWorker::make_special(FileJob& job) {
  const Result<Stands> stands = require_saved(*job.folder, job.name);
  const Result<void> made =
      stands ? site_.target->make_special(job.folder->folder(), job.name, job.entry)
             : std::unexpected(stands.error().clone());
  if (!made) {
    job.fail(made.error());
    return abandon(job);
  }
  set_attributes(job, -1);
  complete(job, true);
}

Result<io::Fd> FileWorker::create_temporary(FileJob& job, std::uint64_t size_bytes) {
  constexpr int kTries = 4;
  for (int i = 0; i < kTries; ++i) {
    job.temporary = site_.names.next();
    io::Fd fresh = TRY(site_.target->open_for_write(job.folder->folder(), job.temporary, size_bytes,
                                                    Existing::kReplace));
    if (hold_as_written(fresh.get())) return fresh;
  }
  return fail(ErrorCode::kConflict, "other restores into the same folder remove its new file");
}

Result<void> FileWorker::begin(FileJob& job) {
  if (job.action == Action::kUpdate) return begin_update(job);
  files_.keep(job, TRY(create_temporary(job, job.entry.size_bytes)));
  return {};
}

Result<void> FileWorker::begin_update(FileJob& job) {
  const source::TargetFolderPtr& folder = job.folder->folder();
  io::Fd fresh = TRY(create_temporary(job, 0));
  const Result<io::Fd> old = site_.target->open_for_read(folder, job.name);
  job.has_old_bytes = old && io::clone_bytes(old->get(), fresh.get());
  if (job.has_old_bytes || !old || TRY(has_room(fresh.get(), job))) {
    TRY(io::set_size(fresh.get(), job.entry.size_bytes));
    files_.keep(job, std::move(fresh));
    return {};
  }
  job.existing_modified = TRY(io::full_status_of(old->get())).modified;
  fresh.reset();
  TRY(site_.target->remove(folder, job.temporary));
  return move_aside(job);
}

Result<void> FileWorker::move_aside(FileJob& job) {
  const source::TargetFolderPtr& folder = job.folder->folder();
  std::string aside = site_.names.next_for(job.name);
  TRY(require_saved(*job.folder, job.name));
  TRY(site_.target->rename(folder, job.name, aside));
  job.temporary = std::move(aside);
  job.moved = job.has_old_bytes = true;
  io::Fd file = TRY(site_.target->open_for_write(folder, job.temporary, job.entry.size_bytes,
                                                 Existing::kKeepBytes));
  static_cast<void>(hold_as_written(file.get()));  // nobody removes a file that was moved aside
  files_.keep(job, std::move(file));
  job.changed = job.existing_bytes != job.entry.size_bytes;
  return {};
}

// Files that are being written have not taken all of their space yet, and what the plan counted on
// for files that grow or are new is not taken from them. Where nobody knows, there is room: a write
// that fails leaves the old file as it is.
Result<bool> FileWorker::has_room(int fd, FileJob& job) {
  const Result<std::uint64_t> known =
      site_.limits.free_bytes != nullptr ? site_.limits.free_bytes(fd) : io::free_bytes_of(fd);
  const std::uint64_t reserved = reserved_bytes_.load(std::memory_order_relaxed);
  const std::uint64_t spare = std::min(spare_bytes_, known.value_or(spare_bytes_));
  if (spare < reserved || spare - reserved < kRoomBytes) return false;
  if (spare - reserved - kRoomBytes < job.allocated_bytes) return false;
  job.reserved_bytes = job.allocated_bytes;
  reserved_bytes_.fetch_add(job.reserved_bytes, std::memory_order_relaxed);
  return true;
}

Result<void> FileWorker::reserve(FileJob& job, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  const FileHandle file = TRY(files_.get(job));
  return file->direct ? file->direct->reserve(offset, length) : Result<void>{};
}

Result<void> FileWorker::write(FileJob& job, std::uint64_t offset, ByteView bytes) {
  const FileHandle file = TRY(files_.get(job));
  if (job.moved) job.changed = true;
  TRY(write_at(*file, bytes, offset));
  site_.outcome.bytes_written.fetch_add(bytes.size(), std::memory_order_relaxed);
  site_.outcome.progress().bytes_done.fetch_add(bytes.size(), std::memory_order_relaxed);
  return {};
}

Result<void> FileWorker::write_at(const OpenFile& file, ByteView bytes, std::uint64_t offset) {
  if (!file.direct) return io::pwrite_full(file.fd.get(), bytes, offset);
  const Slab stage = stages_.take(io::DirectFile::kStageBytes);
  return file.direct->write(bytes, offset, *stage);
}

Result<void> FileWorker::write_zeros(FileJob& job, const ZeroRange& range) {
  const FileHandle file = TRY(files_.get(job));
  if (job.has_old_bytes) {
    if (job.moved && !range_is_right(file->fd.get(), range, site_).value_or(false))
      job.changed = true;
    const std::uint64_t changed = TRY(update_zeros_at(file->fd.get(), range, site_));
    site_.outcome.bytes_written.fetch_add(changed, std::memory_order_relaxed);
  } else {
    TRY(write_zeros_at(file->fd.get(), range.offset, range.length, site_));
    site_.outcome.bytes_written.fetch_add(range.length, std::memory_order_relaxed);
  }
  site_.outcome.progress().bytes_done.fetch_add(range.length, std::memory_order_relaxed);
  return {};
}

// What the old file cannot give, because it cannot be read either, comes from the repository.
Result<bool> FileWorker::reuse(FileJob& job, std::uint64_t offset, const chunk::ChunkRef& chunk) {
  if (job.action != Action::kUpdate) return false;
  const FileHandle file = TRY(files_.get(job));
  if (job.has_old_bytes) {
    const bool has = has_chunk_at(file->fd.get(), offset, chunk, site_.repository).value_or(false);
    if (has) site_.outcome.progress().bytes_done.fetch_add(chunk.length, std::memory_order_relaxed);
    return has;
  }
  const Result<io::Fd> old = site_.target->open_for_read(job.folder->folder(), job.name);
  if (!old) return false;
  const Result<std::optional<Bytes>> bytes = chunk_at(old->get(), offset, chunk, site_.repository);
  if (!bytes || !*bytes) return false;
  TRY(write_at(*file, **bytes, offset));
  site_.outcome.progress().bytes_done.fetch_add(chunk.length, std::memory_order_relaxed);
  return true;
}

bool FileWorker::is_right(const FileJob& job) {
  if (job.action != Action::kUpdate || job.existing_bytes != job.entry.size_bytes) return false;
  const Result<io::Fd> file = site_.target->open_for_read(job.folder->folder(), job.name);
  if (!file) return false;
  const Result<bool> right = has_content(file->get(), job.entry, site_);
  return right && *right;
}

void FileWorker::finish_piece(FileJob& job) {
  if (job.pieces_left.fetch_sub(1, std::memory_order_acq_rel) == 1) finish_pieces(job);
}

void FileWorker::finish_pieces(FileJob& job) {
  if (!job.failed && !site_.outcome.ending()) {
    Result<FileHandle> file = files_.get(job);
    const Result<void> placed =
        file ? put_in_place(job, (*file)->fd.get()) : std::unexpected(file.error().clone());
    if (!placed) job.fail(placed.error());
  } else if (job.moved && job.changed) {
    job.fail(Error(ErrorCode::kCancelled, "the restore ended before the file was whole"));
  }
  files_.forget(job);
  reserved_bytes_.fetch_sub(job.reserved_bytes, std::memory_order_relaxed);
  // What is still called by its temporary name is not whole.
  if (!job.temporary.empty() && job.moved) {
    put_back(job);
  } else if (!job.temporary.empty()) {
    static_cast<void>(site_.target->remove(job.folder->folder(), job.temporary));
  }
  if (job.failed || site_.outcome.ending()) return abandon(job);
  complete(job, true);
}

// No rule takes a mixture for the file of the snapshot, nor for a newer one.
void FileWorker::put_back(FileJob& job) {
  const source::TargetFolderPtr& folder = job.folder->folder();
  const auto mark = [&]() -> Result<void> {
    const io::Fd file = TRY(site_.target->open_for_read(folder, job.temporary));
    const Timestamp before{std::min<std::int64_t>(job.entry.modified.seconds, 1) - 1, 0};
    return io::set_times({file.get()}, std::nullopt, job.changed ? before : job.existing_modified);
  };
  Result<void> done = mark();
  // Whatever took the name meanwhile is not replaced.
  Result<void> renamed = site_.target->rename_if_free(folder, job.temporary, job.name);
  if (!renamed && renamed.error().code() == ErrorCode::kUnsupported)
    renamed = site_.target->rename(folder, job.temporary, job.name);
  if (!renamed) done = std::unexpected(renamed.error().clone());
  if (!done)
    site_.outcome.trouble(
        job.path(), done.error().clone().with_context("giving the file its name back, which was " +
                                                      job.temporary));
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

// A name of the same file already: making the link changes nothing.
Result<bool> FileWorker::is_linked(const LinkGroup& group, const LinkMember& member) {
  if (site_.saved == nullptr) return false;
  const auto holder = TRY(site_.target->look(group.folder(), group.name()));
  const auto there = TRY(site_.target->look(member.folder->folder(), member.name));
  return holder && there && holder->device == there->device &&
         holder->entry.inode == there->entry.inode;
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
    if (!TRY(is_linked(group, member))) TRY(require_saved(*member.folder, member.name));
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
