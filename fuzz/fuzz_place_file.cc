// Files of sets, which a person writes.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "policy/places.h"

using namespace backstay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > policy::kPlaceFileBytesMax) return 0;
  const auto set = policy::parse_place_file(as_text({data, size}), "fuzz.yaml");
  if (!set) return 0;
  ASSERT(set->find(set->primary.name) == &set->primary && !set->primary.url.empty());
  for (const policy::Place& copy : set->copies)
    ASSERT(set->find(copy.name) == &copy && !copy.url.empty() && copy.url != set->primary.url);
  return 0;
}
