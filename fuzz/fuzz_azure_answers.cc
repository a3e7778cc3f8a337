// Lists of Azure Blob Storage: whatever they say, what is taken from them is whole or refused.
#include <cstddef>
#include <cstdint>

#include "backend/azure/address.h"
#include "backend/azure/answers.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace azure = backstay::backend::azure;
  const backstay::ByteView bytes(data, size);
  if (const auto page = azure::parse_blobs(bytes)) {
    for (const azure::ListedBlob& blob : page->blobs) ASSERT(!blob.name.empty());
  }
  if (const auto address = azure::parse_address(backstay::as_text(bytes))) {
    ASSERT(address->container.size() >= 3);
    ASSERT(address->prefix.empty() || address->prefix.ends_with('/'));
  }
  return 0;
}
