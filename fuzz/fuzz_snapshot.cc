// A hostile snapshot record is an error, or a snapshot that survives being written and read.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "snapshot/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const Result<snapshot::Snapshot> decoded = snapshot::decode_snapshot({data, size});
  if (!decoded) {
    const ErrorCode code = decoded.error().code();
    ASSERT(code == ErrorCode::kCorruption || code == ErrorCode::kUnsupported);
    return 0;
  }
  Bytes written;
  snapshot::encode_snapshot(*decoded, written);
  const Result<snapshot::Snapshot> again = snapshot::decode_snapshot(written);
  ASSERT(again.has_value());
  ASSERT(*again == *decoded);
  return 0;
}
