#include "io/spilled_bytes.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/assert.h"
#include "base/page_buffer.h"
#include "base/try.h"

namespace backstay::io {

SpilledBytes::SpilledBytes(const std::string& folder, std::uint64_t expected) {
  if (expected > kInMemoryMax && !folder.empty()) {
    if (auto file = create_nameless_file(folder)) file_ = std::move(*file);
  }
  if (!file_) memory_.reserve(static_cast<std::size_t>(expected));
}

Result<void> SpilledBytes::append(ByteView bytes) {
  if (file_ && !pwrite_full(file_.get(), bytes, size_)) TRY(take_into_memory());
  if (!file_) backstay::append(memory_, bytes);
  size_ += bytes.size();
  return {};
}

Result<void> SpilledBytes::take_into_memory() {
  Bytes all(static_cast<std::size_t>(size_));
  TRY(read(0, all));
  memory_ = std::move(all);
  file_.reset();
  return {};
}

Result<void> SpilledBytes::read(std::uint64_t offset, MutableByteView out) const {
  ASSERT(offset <= size_ && out.size() <= size_ - offset);
  if (out.empty()) return {};
  if (!file_) {
    std::memcpy(out.data(), memory_.data() + offset, out.size());
    return {};
  }
  const std::size_t got =
      TRY_DOING("reading a temporary file", pread_full(file_.get(), out, offset));
  if (got != out.size()) return fail(ErrorCode::kInternal, "a temporary file ends early");
  return {};
}

StreamedBytes SpilledBytes::stream() const {
  if (!file_) {
    return {.size = size_, .piece_at = [this](std::uint64_t offset) -> Result<ByteView> {
              return ByteView(memory_).subspan(static_cast<std::size_t>(offset));
            }};
  }
  return {.size = size_,
          .piece_at = [this, buffer = std::make_shared<PageBuffer>(kInMemoryMax)](
                          std::uint64_t offset) -> Result<ByteView> {
            const auto length =
                static_cast<std::size_t>(std::min<std::uint64_t>(kInMemoryMax, size_ - offset));
            TRY(read(offset, buffer->bytes().first(length)));
            return ByteView(buffer->bytes().first(length));
          }};
}

Result<Bytes> SpilledBytes::all() const {
  Bytes bytes(static_cast<std::size_t>(size_));
  TRY(read(0, bytes));
  return bytes;
}

}  // namespace backstay::io
