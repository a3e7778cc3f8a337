#include "io/direct_write.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/page_buffer.h"
#include "base/try.h"
#include "io/failure.h"

namespace backstay::io {
namespace {

// Memory, position and length of a direct write are multiples of this: no disk of today has larger
// logical blocks.
constexpr std::size_t kBlock = PageBuffer::kPageBytes;
constexpr std::size_t kNewFileStageBytes = 256 * 1024;

bool set_direct(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return false;
  return ::fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

bool is_aligned(const std::uint8_t* bytes) {
  return reinterpret_cast<std::uintptr_t>(bytes) % kBlock == 0;
}

bool gains_from_direct_output(int fd) {
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0) return false;
  // Blocks that are larger than pages share pages of the cache with their neighbours.
  if (system.f_bsize > static_cast<long>(kBlock)) return false;
  return system.f_type == EXT4_SUPER_MAGIC || system.f_type == XFS_SUPER_MAGIC;
}

Fd open_direct(int fd) {
  if (!gains_from_direct_output(fd)) return Fd();
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return Fd(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
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
      if (stage_.size() == 0) stage_ = PageBuffer(kNewFileStageBytes);
      const std::size_t part = std::min(piece.size(), kNewFileStageBytes - staged_);
      std::memcpy(stage_.data() + staged_, piece.data(), part);
      staged_ += part;
      piece = piece.subspan(part);
      if (staged_ == kNewFileStageBytes) TRY(put_stage());
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

DirectFile::DirectFile(int fd) : fd_(fd), direct_(open_direct(fd)), works_(bool{direct_}) {}

Result<void> DirectFile::write(ByteView bytes, std::uint64_t offset,
                               const PageBuffer& stage) const {
  const std::size_t lead = std::min<std::size_t>(bytes.size(), (kBlock - offset % kBlock) % kBlock);
  std::size_t done = 0;
  if (works_.load(std::memory_order_relaxed) && bytes.size() - lead >= kBlock) {
    TRY(pwrite_full(fd_, bytes.first(lead), offset));
    done = lead + TRY(write_blocks(bytes.subspan(lead), offset + lead, stage));
  }
  return pwrite_full(fd_, bytes.subspan(done), offset + done);
}

// Returns how many bytes that were. A file system may say only now that it has no direct output.
Result<std::size_t> DirectFile::write_blocks(ByteView bytes, std::uint64_t offset,
                                             const PageBuffer& stage) const {
  ASSERT(stage.size() >= kStageBytes);
  const std::size_t whole = bytes.size() / kBlock * kBlock;
  std::size_t done = 0;
  while (done < whole) {
    const std::size_t part = std::min(whole - done, kStageBytes);
    std::memcpy(stage.data(), bytes.data() + done, part);
    const ssize_t put =
        ::pwrite(direct_.get(), stage.data(), part, static_cast<off_t>(offset + done));
    if (put > 0 && static_cast<std::size_t>(put) % kBlock == 0) {
      done += static_cast<std::size_t>(put);
    } else if (put >= 0 || errno == EINVAL) {
      works_.store(false, std::memory_order_relaxed);
      break;
    } else if (errno != EINTR) {
      return fail_io(errno, fmt::format("writing at offset {}", offset + done));
    }
  }
  return done;
}

Result<void> DirectFile::reserve(std::uint64_t offset, std::uint64_t length) const {
  if (!works_.load(std::memory_order_relaxed) || length == 0) return {};
  if (!std::in_range<off_t>(offset) || !std::in_range<off_t>(length)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} bytes at {}", length, offset));
  }
  constexpr int kKeepSize = FALLOC_FL_KEEP_SIZE;
  const auto reserve = [&] {
    return ::fallocate(fd_, kKeepSize, static_cast<off_t>(offset), static_cast<off_t>(length));
  };
  while (reserve() != 0) {
    const bool no_room = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    if (no_room) return fail_io(errno, fmt::format("reserving {} bytes", length));
    if (errno != EINTR) return {};  // it only makes the file better
  }
  return {};
}

}  // namespace backstay::io
