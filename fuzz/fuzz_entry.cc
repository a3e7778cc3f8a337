// A hostile entry record is corruption, or an entry that is written as the same bytes, unknown
// fields aside.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "snapshot/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const ByteView record(data, size);
  const Result<snapshot::Entry> entry = snapshot::decode_entry(record);
  if (!entry) {
    ASSERT(entry.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  ASSERT(snapshot::validate_entry(*entry).has_value());
  Bytes written;
  snapshot::encode_entry(*entry, written);
  ASSERT(written.size() < size || as_text(written) == as_text(record));
  const Result<snapshot::Entry> again = snapshot::decode_entry(written);
  ASSERT(again.has_value());
  ASSERT(*again == *entry);
  return 0;
}
