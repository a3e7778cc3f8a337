// A hostile pack directory (behind its seal) is an error, or one that survives being written and
// read.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "repo/pack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const auto directory = repo::decode_directory({data, size});
  if (!directory) {
    const ErrorCode code = directory.error().code();
    ASSERT(code == ErrorCode::kCorruption || code == ErrorCode::kUnsupported);
    return 0;
  }
  Bytes written;
  repo::encode_directory(*directory, written);
  const auto again = repo::decode_directory(written);
  ASSERT(again.has_value());
  ASSERT(again->frames.size() == directory->frames.size());
  return 0;
}
