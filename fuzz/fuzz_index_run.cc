// The hostile body of an index run (behind its seal) is corruption, or one in which every entry can
// be read and found.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "repo/index_run.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const auto run = repo::IndexRun::open({}, Bytes(data, data + size));
  if (!run) {
    ASSERT(run.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  for (std::uint64_t i = 0; i < (*run)->size(); ++i) {
    const auto entry = (*run)->entry(i);
    ASSERT((*run)->find(entry.id).has_value());
    ASSERT((*run)->location(entry).frame.raw_length <= repo::kFrameMax);
  }
  return 0;
}
