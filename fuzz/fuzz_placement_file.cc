// Placement files, which a person writes.
#include <cstddef>
#include <cstdint>

#include "backend/placement/map_file.h"
#include "base/assert.h"

using namespace backstay;
namespace placement = backend::placement;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > placement::kMapFileBytesMax) return 0;
  const auto file = placement::parse_map_file(as_text({data, size}), "fuzz.yaml");
  if (!file) return 0;
  for (const placement::FileStore& store : file->stores) {
    ASSERT(placement::is_store_name(store.name) && !store.url.empty());
    ASSERT(file->find(store.name) != nullptr);
  }
  return 0;
}
