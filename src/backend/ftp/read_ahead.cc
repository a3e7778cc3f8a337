#include "backend/ftp/read_ahead.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::backend::ftp {
namespace {

constexpr std::size_t kWindowsMax = 4;
constexpr std::uint64_t kStepFirst = 1 << 20;
constexpr std::uint64_t kStepMax = 4 << 20;

}  // namespace

// Only what was asked for, unless it goes on where a piece of the same file ended, or not far
// after.
std::uint64_t ReadAhead::size_to_fetch(const std::string& path, std::uint64_t offset,
                                       std::uint64_t size) {
  const MutexLock lock(mutex_);
  const auto before = std::ranges::find(windows_, path, &Window::path);
  if (before == windows_.end()) return size;
  const std::uint64_t end = before->offset + before->bytes.size();
  if (offset < before->offset || offset > end + kStepFirst) return size;
  return std::max(size, std::clamp(before->step * 2, kStepFirst, kStepMax));
}

Result<std::size_t> ReadAhead::read(const std::string& path, std::uint64_t offset,
                                    MutableByteView out, const Fetch& fetch) {
  {
    const MutexLock lock(mutex_);
    const auto found = std::ranges::find(windows_, path, &Window::path);
    if (found != windows_.end() && offset >= found->offset) {
      const std::uint64_t start = offset - found->offset;
      if (start <= found->bytes.size() && out.size() <= found->bytes.size() - start) {
        std::copy_n(found->bytes.begin() + static_cast<std::ptrdiff_t>(start), out.size(),
                    out.begin());
        return out.size();
      }
    }
  }
  const std::uint64_t size = size_to_fetch(path, offset, out.size());
  Bytes bytes = TRY(fetch(offset, size));
  const std::size_t given = std::min(bytes.size(), out.size());
  std::copy_n(bytes.begin(), given, out.begin());
  const MutexLock lock(mutex_);
  windows_.remove_if([&](const Window& window) { return window.path == path; });
  const std::uint64_t step = size > out.size() ? size : 0;
  if (bytes.size() <= kStepMax) windows_.push_front({path, offset, std::move(bytes), step});
  if (windows_.size() > kWindowsMax) windows_.pop_back();
  return given;
}

void ReadAhead::forget(const std::string& path) {
  const MutexLock lock(mutex_);
  windows_.remove_if([&](const Window& window) { return window.path == path; });
}

}  // namespace backstay::backend::ftp
