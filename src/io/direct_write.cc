#include "io/direct_write.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/page_buffer.h"
#include "base/try.h"
#include "io/failure.h"

namespace backstay::io {
namespace {

// Memory, position and length of a direct write are multiples of this: no disk of today has larger
// logical blocks.
constexpr std::size_t kBlock = PageBuffer::kPageBytes;
constexpr std::size_t kStageBytes = 256 * 1024;

bool set_direct(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return false;
  return ::fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

bool is_aligned(const std::uint8_t* bytes) {
  return reinterpret_cast<std::uintptr_t>(bytes) % kBlock == 0;
}

class DirectWriter {
 public:
  explicit DirectWriter(int fd) : fd_(fd), direct_(set_direct(fd, true)) {}
  ~DirectWriter() {
    if (direct_) set_direct(fd_, false);
  }
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  Result<void> add(ByteView piece) {
    total_ += piece.size();
    if (staged_ == 0 && is_aligned(piece.data())) {
      const std::size_t whole = piece.size() / kBlock * kBlock;
      TRY(put(piece.first(whole)));
      piece = piece.subspan(whole);
    }
    while (!piece.empty()) {
      if (stage_.size() == 0) stage_ = PageBuffer(kStageBytes);
      const std::size_t part = std::min(piece.size(), kStageBytes - staged_);
      std::memcpy(stage_.data() + staged_, piece.data(), part);
      staged_ += part;
      piece = piece.subspan(part);
      if (staged_ == kStageBytes) TRY(put_stage());
    }
    return {};
  }

  // The last block is written whole and cut off again.
  Result<void> finish() {
    if (staged_ == 0) return {};
    const std::size_t padding = (kBlock - staged_ % kBlock) % kBlock;
    std::memset(stage_.data() + staged_, 0, padding);
    staged_ += padding;
    TRY(put_stage());
    if (padding != 0 && ::ftruncate(fd_, static_cast<off_t>(total_)) != 0) {
      return fail_io(errno, "setting the length");
    }
    return {};
  }

 private:
  Result<void> put_stage() {
    const ByteView staged(stage_.data(), std::exchange(staged_, 0));
    return put(staged);
  }

  // A file system says only at the first write that it has no direct output.
  Result<void> put(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::write(fd_, bytes.data(), bytes.size());
      if (done >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(done));
      } else if (errno == EINVAL && direct_) {
        direct_ = false;
        if (!set_direct(fd_, false)) return fail_io(errno, "writing");
      } else if (errno != EINTR) {
        return fail_io(errno, "writing");
      }
    }
    return {};
  }

  int fd_;
  bool direct_;
  PageBuffer stage_;
  std::size_t staged_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

Result<void> write_direct(int fd, std::span<const ByteView> pieces) {
  DirectWriter writer(fd);
  for (const ByteView piece : pieces) TRY(writer.add(piece));
  return writer.finish();
}

}  // namespace backstay::io
