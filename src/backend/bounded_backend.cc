#include "backend/bounded_backend.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::backend {

Result<std::unique_ptr<BoundedBackend>> BoundedBackend::open(std::unique_ptr<Backend> inner,
                                                             StoreBounds bounds) {
  std::uint64_t bytes = 0;
  TRY(inner->list("", [&](const ObjectInfo& info) -> Result<void> {
    bytes += info.size_bytes;
    return {};
  }));
  return std::unique_ptr<BoundedBackend>(
      new BoundedBackend(std::move(inner), std::move(bounds), bytes));
}

// The room is taken before the bytes are written, so that several writers do not share it.
Result<void> BoundedBackend::require_room(std::uint64_t bytes) {
  const std::uint64_t before = bytes_used_.fetch_add(bytes);
  if (before + bytes > bounds_.bytes_max) {
    bytes_used_ -= bytes;
    return fail(ErrorCode::kNoSpace,
                fmt::format("{} may hold {}, and {} of it are taken", describe(),
                            format_byte_size(bounds_.bytes_max), format_byte_size(before)));
  }
  const auto free = bounds_.free_bytes ? bounds_.free_bytes() : Result<std::uint64_t>(UINT64_MAX);
  if (free && *free >= bytes && *free - bytes >= bounds_.reserve_bytes) return {};
  bytes_used_ -= bytes;
  if (!free) return std::unexpected(free.error().clone());
  return fail(ErrorCode::kNoSpace,
              fmt::format("{} are free at {}, and {} of it stay free", format_byte_size(*free),
                          describe(), format_byte_size(bounds_.reserve_bytes)));
}

Result<void> BoundedBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  std::uint64_t bytes = 0;
  for (const ByteView piece : pieces) bytes += piece.size();
  TRY(require_room(bytes));
  auto put = inner_.put(name, pieces);
  if (!put) bytes_used_ -= bytes;
  return put;
}

}  // namespace backstay::backend
