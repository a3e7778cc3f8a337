// Hostile parity objects are errors, or heads that are written the same again. The checksums are
// mended, so that mutations reach what is behind them. The first byte chooses the decoder.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "crypto/hash.h"
#include "repo/parity_object.h"

namespace {

using namespace backstay;

void expect_clean(const Error& error) {
  ASSERT(error.code() == ErrorCode::kCorruption || error.code() == ErrorCode::kUnsupported);
}

// As it came: most of it ends at the first checksum.
void read_raw(ByteView bytes) {
  const auto length = repo::parity_head_length(bytes);
  if (!length) return expect_clean(length.error());
  const auto head = repo::decode_parity_head(bytes, bytes.size());
  if (!head) return expect_clean(head.error());
  ASSERT(head->payload_at <= bytes.size());
}

void read_directory(ByteView record) {
  const auto directory = repo::decode_parity_directory(record);
  if (!directory) return expect_clean(directory.error());
  Bytes written;
  repo::encode_parity_directory(*directory, written);
  const auto again = repo::decode_parity_directory(written);
  ASSERT(again.has_value());
  ASSERT(*again == *directory);
  ASSERT(again->group() == directory->group());

  // Limits keep what follows from it small enough to be asked for.
  ASSERT(directory->payload_bytes <= repo::kParityPayloadMax);
  if (directory->digest_count() > 1024) return;
  const std::vector<repo::BlockDigest> digests(static_cast<std::size_t>(directory->digest_count()));
  Bytes head = repo::encode_parity_head(*directory, {}, digests);
  const std::uint64_t size = head.size() + directory->payload_bytes;
  const auto read = repo::decode_parity_head(head, size);
  ASSERT(read.has_value());
  ASSERT(read->directory == *directory);
  ASSERT(!repo::decode_parity_head(head, size + 1));
  const auto found = repo::decode_block_digests(
      ByteView(head).subspan(static_cast<std::size_t>(read->digests_at)), *directory);
  if (!found) expect_clean(found.error());
}

void read_wish(ByteView record) {
  const Bytes object = repo::encode_plain_object(repo::ObjectKind::kParityWish, {}, record);
  const auto wish = repo::decode_parity_wish(object, {}, 3);
  if (!wish) return expect_clean(wish.error());
  ASSERT(*repo::decode_parity_wish(repo::encode_parity_wish(*wish, {}), {}, 3) == *wish);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes{data + 1, size - 1};
  switch (data[0] % 3) {
    case 0:
      read_directory(bytes);
      break;
    case 1:
      read_wish(bytes);
      break;
    default:
      read_raw(bytes);
  }
  return 0;
}
