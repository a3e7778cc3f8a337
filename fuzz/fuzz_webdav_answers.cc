// Answers of WebDAV servers: whatever they say, what is taken from them is whole or refused.
#include <cstddef>
#include <cstdint>

#include "backend/webdav/answers.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace webdav = backstay::backend::webdav;
  const backstay::ByteView xml(data, size);
  for (const char* const path : {"/", "/dav/a b"}) {
    const auto entries = webdav::parse_multistatus(xml, path);
    if (!entries) {
      ASSERT(!entries.error().retryable());
      continue;
    }
    ASSERT(!entries->empty() && entries->front().name.empty());
    for (std::size_t i = 1; i < entries->size(); ++i) {
      const std::string& name = (*entries)[i].name;
      ASSERT(!name.empty() && !name.contains('/') && !name.contains('\0'));
    }
  }
  return 0;
}
