// The first byte says which file of a restic repository the rest is: whatever stands there, reading
// it ends with a value or an error that says what to do.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "foreign/restic/index.h"
#include "foreign/restic/node.h"
#include "foreign/restic/store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  const auto check = [](const auto& result) {
    if (result.has_value()) return;
    const ErrorCode code = result.error().code();
    ASSERT(code == ErrorCode::kCorruption || code == ErrorCode::kUnsupported);
  };
  switch (data[0] % 6) {
    case 0:
      check(foreign::restic::parse_key_file(as_text(rest)));
      break;
    case 1:
      check(foreign::restic::parse_master_key(as_text(rest)));
      break;
    case 2:
      check(foreign::restic::parse_config(as_text(rest)));
      break;
    case 3:
      check(foreign::restic::parse_snapshot({}, as_text(rest)));
      break;
    case 4: {
      foreign::restic::Index index;
      check(index.add(as_text(rest)));
      index.sort();
      static_cast<void>(index.find({}));
      break;
    }
    default:
      check(foreign::restic::unpacked(to_owned(rest)));
  }
  return 0;
}
