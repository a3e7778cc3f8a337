// A hostile keyring (behind the key slot's seal) is corruption, or one that survives being written
// and read.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "repo/key_slot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const auto keyring = repo::decode_keyring({data, size});
  if (!keyring) {
    ASSERT(keyring.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  Bytes written;
  repo::encode_keyring(*keyring, written);
  ASSERT(repo::decode_keyring(written).has_value());
  return 0;
}
