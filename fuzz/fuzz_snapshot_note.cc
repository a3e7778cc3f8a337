// Hostile records of holds and changes of tags are errors, or values that survive being written and
// read. The first byte chooses the decoder; what the name says is taken from the record, so that
// mutations reach what is behind it.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/record.h"
#include "repo/snapshot_note.h"

namespace {

using namespace backstay;

repo::NoteName name_for(ByteView record) {
  repo::NoteName name;
  RecordReader reader(record);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field) break;
    if (field->number == 2) name.number = field->value_number;
    if (field->number != 1) continue;
    if (const auto id = repo::ObjectId::from_bytes(field->value_bytes)) name.snapshot = *id;
  }
  return name;
}

template <typename Decode, typename Encode>
void round_trip(ByteView record, Decode decode, Encode encode) {
  const repo::NoteName name = name_for(record);
  const auto decoded = decode(record, name);
  if (!decoded) {
    ASSERT(decoded.error().code() == ErrorCode::kCorruption);
    return;
  }
  Bytes written;
  encode(*decoded, name, written);
  const auto again = decode(written, name);
  ASSERT(again.has_value());
  ASSERT(*again == *decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView record{data + 1, size - 1};
  if (data[0] % 2 == 0)
    round_trip(record, repo::decode_hold, repo::encode_hold);
  else
    round_trip(record, repo::decode_tag_change, repo::encode_tag_change);
  return 0;
}
