// A hostile content is corruption, or is written as the same bytes; walking it, when its lists are
// whatever the input says, ends with all of it covered or with an error. Input: u8 length of the
// content, the content, and behind it the one list that every list item refers to.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "snapshot/content.h"

namespace {

using namespace backstay;

constexpr std::uint64_t kExtentsMax = 10'000;  // nested lists multiply: enough is seen by then

class OneList final : public chunk::ChunkReader {
 public:
  explicit OneList(ByteView list) : list_(list) {}
  Result<Bytes> read(const chunk::ChunkRef& ref) override {
    if (ref.length != list_.size()) return fail(ErrorCode::kCorruption, "another length");
    return to_owned(list_);
  }

 private:
  ByteView list_;
};

void walk(const snapshot::ContentRoot& content, std::uint64_t size_bytes, OneList& lists) {
  std::uint64_t end = 0;
  std::uint64_t count = 0;
  const Result<void> walked = snapshot::for_each_extent(
      content, size_bytes, lists,
      [&](std::uint64_t offset, const snapshot::Extent& extent) -> Result<void> {
        ASSERT(offset == end && extent.length > 0);
        end += extent.length;
        if (++count > kExtentsMax) return fail(ErrorCode::kCancelled, "enough");
        return {};
      });
  if (walked) ASSERT(end == size_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  const std::size_t split = std::min<std::size_t>(data[0], input.size());
  const ByteView encoded = input.first(split);
  const Result<snapshot::ContentRoot> content = snapshot::decode_content(encoded);
  if (!content) {
    ASSERT(content.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  Bytes written;
  snapshot::encode_content(*content, written);
  ASSERT(as_text(written) == as_text(encoded));
  ASSERT(snapshot::encoded_content_bytes(*content) == written.size());
  OneList lists(input.subspan(split));
  if (const auto covered = snapshot::covered_bytes(*content)) walk(*content, *covered, lists);
  std::uint64_t count = 0;
  (void)snapshot::for_each_list_chunk(*content, lists, [&](const chunk::ChunkRef&) -> Result<void> {
    if (++count > kExtentsMax) return fail(ErrorCode::kCancelled, "enough");
    return {};
  }).has_value();
  return 0;
}
