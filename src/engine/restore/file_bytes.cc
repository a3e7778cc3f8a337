#include "engine/restore/file_bytes.h"

#include <algorithm>

#include "base/try.h"
#include "io/attributes.h"
#include "io/file.h"
#include "io/metadata.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {
namespace {

Result<void> check_going(const Site& site) {
  return site.outcome.ending() ? site.outcome.status() : Result<void>{};
}

Result<bool> data_reads_as_zeros(int fd, std::uint64_t offset, std::uint64_t length,
                                 const Site& site) {
  Bytes buffer(
      static_cast<std::size_t>(std::min<std::uint64_t>(length, site.limits.zero_buffer_bytes)));
  for (std::uint64_t done = 0; done < length;) {
    TRY(check_going(site));
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length - done));
    const MutableByteView part = MutableByteView(buffer).first(step);
    const std::size_t got = TRY(io::pread_full(fd, part, offset + done));
    if (got != step || !all_zero(part)) return false;
    done += step;
  }
  return true;
}

}  // namespace

Result<void> write_zeros_at(int fd, std::uint64_t offset, std::uint64_t length, const Site& site) {
  const Bytes zeros(
      static_cast<std::size_t>(std::min<std::uint64_t>(length, site.limits.zero_buffer_bytes)));
  for (std::uint64_t done = 0; done < length;) {
    TRY(check_going(site));
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), length - done));
    TRY(io::pwrite_full(fd, ByteView(zeros).first(step), offset + done));
    done += step;
  }
  return {};
}

Result<std::uint64_t> update_zeros_at(int fd, const ZeroRange& range, const Site& site) {
  const bool want_hole = range.kind == ZeroRange::Kind::kHole;
  const std::uint64_t end = range.offset + range.length;
  std::uint64_t changed = 0;
  for (std::uint64_t at = range.offset; at < end;) {
    TRY(check_going(site));
    const auto extent = TRY(io::extent_at(fd, at, end));
    if (!extent) break;
    // What cannot be read is not right.
    const bool right =
        want_hole
            ? extent->hole
            : !extent->hole &&
                  data_reads_as_zeros(fd, extent->offset, extent->length, site).value_or(false);
    if (!right) {
      if (want_hole) {
        TRY(io::punch_hole(fd, extent->offset, extent->length));
      } else {
        TRY(write_zeros_at(fd, extent->offset, extent->length, site));
      }
      changed += extent->length;
    }
    at = extent->offset + extent->length;
  }
  return changed;
}

Result<std::uint64_t> data_bytes(int fd) {
  const std::uint64_t end = TRY(io::full_status_of(fd)).size;
  std::uint64_t sum = 0;
  std::uint64_t at = 0;
  while (const auto extent = TRY(io::extent_at(fd, at, end))) {
    if (!extent->hole) sum += extent->length;
    at = extent->offset + extent->length;
  }
  return sum;
}

Result<bool> range_is_right(int fd, const ZeroRange& range, const Site& site) {
  const bool want_hole = range.kind == ZeroRange::Kind::kHole;
  const std::uint64_t end = range.offset + range.length;
  for (std::uint64_t at = range.offset; at < end;) {
    TRY(check_going(site));
    const auto extent = TRY(io::extent_at(fd, at, end));
    if (!extent || extent->hole != want_hole) return false;
    if (!want_hole && !TRY(data_reads_as_zeros(fd, extent->offset, extent->length, site)))
      return false;
    at = extent->offset + extent->length;
  }
  return true;
}

Result<bool> has_content(int fd, const snapshot::Entry& entry, const Site& site) {
  bool right = true;
  const Result<void> read = snapshot::for_each_extent(
      entry.content, entry.size_bytes, site.repository,
      [&](std::uint64_t offset, const snapshot::Extent& extent) -> Result<void> {
        TRY(check_going(site));
        if (extent.kind == snapshot::ExtentKind::kChunk) {
          right = extent.length <= repo::kFrameMax &&
                  TRY(has_chunk_at(
                      fd, offset,
                      {.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)},
                      site.repository));
        } else {
          const bool is_hole = extent.kind == snapshot::ExtentKind::kHole;
          right = TRY(range_is_right(
              fd,
              {.offset = offset,
               .length = extent.length,
               .kind = is_hole ? ZeroRange::Kind::kHole : ZeroRange::Kind::kAllocated},
              site));
        }
        if (right) return {};
        return fail(ErrorCode::kConflict, "the bytes differ");  // enough is known
      });
  if (!right) return false;
  if (!read) return std::unexpected(read.error().clone());
  return true;
}

Result<std::optional<Bytes>> chunk_at(int fd, std::uint64_t offset, const chunk::ChunkRef& chunk,
                                      const repo::Repository& repository) {
  Bytes there(chunk.length);
  const std::size_t got = TRY(io::pread_full(fd, there, offset));
  const bool same = got == there.size() && repository.chunk_id(there) == chunk.id;
  if (!same) return std::optional<Bytes>();
  return std::optional<Bytes>(std::move(there));
}

Result<bool> has_chunk_at(int fd, std::uint64_t offset, const chunk::ChunkRef& chunk,
                          const repo::Repository& repository) {
  return TRY(chunk_at(fd, offset, chunk, repository)).has_value();
}

Result<bool> reads_as_zeros(int fd, std::uint64_t offset, std::uint64_t length, const Site& site) {
  const std::uint64_t end = offset + length;
  for (std::uint64_t at = offset; at < end;) {
    const auto extent = TRY(io::extent_at(fd, at, end));
    if (!extent) return false;
    if (!extent->hole && !TRY(data_reads_as_zeros(fd, extent->offset, extent->length, site)))
      return false;
    at = extent->offset + extent->length;
  }
  return true;
}

}  // namespace backstay::engine::restoring
