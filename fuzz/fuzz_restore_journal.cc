// Journals of restores: what is read is written as it was, and a list of paths never leads out of
// its target.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "engine/restore_journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay::engine;
  const std::string_view text = backstay::as_text({data, size});
  if (const auto record = decode_record(text)) {
    const std::string written = encode_record(*record);
    const auto again = decode_record(written);
    ASSERT(again.has_value());
    ASSERT(encode_record(*again) == written);
  }
  if (const auto paths = decode_paths(text)) {
    for (const std::string& place : paths->created) {
      ASSERT(place.starts_with('/') && place.find("/../") == std::string::npos);
      ASSERT(!place.ends_with("/..") && !place.ends_with('/'));
    }
  }
  return 0;
}
