// Maps, identities and parts of objects as stores give them. Hashes are mended, so that mutations
// reach what is behind them. The first byte chooses the decoder.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backend/placement/burial.h"
#include "backend/placement/map.h"
#include "backend/placement/part.h"
#include "backend/placement/progress.h"
#include "backend/placement/ring.h"
#include "base/assert.h"

namespace {

using namespace backstay;
namespace placement = backend::placement;

Bytes mended(std::string_view magic, ByteView record) {
  Bytes bytes = to_owned(as_bytes(magic));
  append(bytes, record);
  append(bytes, crypto::blake3(bytes).view());
  return bytes;
}

void read_map(ByteView bytes) {
  const auto map = placement::decode_map(bytes);
  if (!map) return;
  ASSERT(placement::decode_map(placement::encode_map(*map)).value() == *map);
  ASSERT(placement::Ring(*map).order_of("config").size() == map->stores.size());
}

void read_identity(ByteView bytes) {
  const auto identity = placement::decode_identity(bytes);
  if (identity)
    ASSERT(placement::decode_identity(placement::encode_identity(*identity)).value() == *identity);
}

void read_tombstone(ByteView bytes) {
  const auto name = placement::name_of_tombstone(bytes);
  if (!name) return;
  const placement::Burial burial = placement::decode_tombstone(*name, bytes).value();
  ASSERT(burial.stands && burial.all == burial.values.empty());
  const Bytes again = placement::encode_tombstone(*name, burial.values);
  ASSERT(placement::decode_tombstone(*name, again)->values == burial.values);
}

void read_seen(ByteView bytes) {
  const placement::PlacementId id{};
  const auto known = placement::decode_seen(id, bytes);
  if (!known) return;
  ASSERT(known->size() <= placement::kSeenStoresMax);
  ASSERT(placement::decode_seen(id, placement::encode_seen(id, *known)).value() == *known);
}

void read_part(ByteView bytes) {
  constexpr std::size_t kHashed = 96;
  Bytes part = to_owned(bytes);
  static_cast<void>(placement::decode_header("data/3f/a", part).has_value());
  if (part.size() >= placement::kHeaderBytes) {
    const crypto::Digest hash = crypto::blake3(ByteView(part).first(kHashed));
    std::copy(hash.bytes.begin(), hash.bytes.end(), part.begin() + kHashed);
  }
  const std::size_t size = part.size();
  const auto header = placement::decode_part_header("data/3f/a", part);
  if (header) {
    ASSERT(header->index == 0 || header->index < header->geometry.width());
    ASSERT(header->geometry.data * header->payload_bytes >= header->object_bytes ||
           header->object_bytes > (std::uint64_t{1} << 58));
    const auto shard = placement::open_part("data/3f/a", part, header->geometry.data);
    if (shard) ASSERT(placement::part_bytes(shard->bytes.size()) == size);
  }
  const auto copy = placement::open_copy("data/3f/a", std::move(part));
  if (copy) ASSERT(placement::part_bytes(copy->bytes.size()) == size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  switch (data[0] % 9) {
    case 0:
      read_map(input);
      break;
    case 1:
      read_map(mended("BKSTPMP1", input));
      break;
    case 2:
      read_identity(input);
      break;
    case 3:
      read_identity(mended("BKSTPID1", input));
      break;
    case 5:
      read_tombstone(input);
      break;
    case 6:
      read_tombstone(mended("BKSTPRM1", input));
      break;
    case 7:
      read_seen(input);
      break;
    case 8:
      read_seen(mended("BKSTPSN1", input));
      break;
    default:
      read_part(input);
      break;
  }
  return 0;
}
