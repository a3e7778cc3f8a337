#include "repo/run_download.h"

#include <algorithm>

#include "base/assert.h"
#include "base/try.h"
#include "crypto/aead.h"
#include "repo/index_object.h"

namespace backstay::repo {

namespace {

constexpr std::size_t kWindowBytes = 4 * (kIndexSegmentSize + crypto::kTagSize);

std::unexpected<Error> not_its_bytes() {
  return fail(ErrorCode::kCorruption, "its bytes do not match its name");
}

}  // namespace

Result<void> RunDownload::read(std::uint64_t offset, MutableByteView out) {
  if (wrong_) return not_its_bytes();
  if (offset < window_begin_ || offset + out.size() > window_begin_ + window_.size()) {
    TRY(fill(offset, out.size()));
  }
  const auto at = static_cast<std::size_t>(offset - window_begin_);
  std::copy_n(window_.data() + at, out.size(), out.data());
  return {};
}

Result<void> RunDownload::read_to_the_end() {
  if (wrong_) return not_its_bytes();
  while (hashed_ < run_.size_bytes) TRY(fill(hashed_, 1));
  return {};
}

Result<void> RunDownload::fill(std::uint64_t offset, std::size_t least) {
  const std::uint64_t left = run_.size_bytes - offset;
  ASSERT(least <= left && least <= kWindowBytes);
  const MutableByteView bytes =
      buffer_.room_for(static_cast<std::size_t>(std::min<std::uint64_t>(left, kWindowBytes)));
  window_ = {};
  TRY(store_.get_range(name_, offset, bytes));
  window_begin_ = offset;
  window_ = bytes;
  const std::uint64_t end = offset + bytes.size();
  if (end <= hashed_) return {};
  ASSERT(offset <= hashed_);
  hash_.update(window_.subspan(static_cast<std::size_t>(hashed_ - offset)));
  hashed_ = end;
  wrong_ = hashed_ == run_.size_bytes && hash_.finish().bytes != run_.id.bytes;
  if (wrong_) return not_its_bytes();
  return {};
}

}  // namespace backstay::repo
