// Any file of patterns is refused by name or answers for any path, in bounded time; what matches is
// in a folder below which something may match. Input: patterns, one a line; the last line is the
// path.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/bytes.h"
#include "snapshot/path_filter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  if (size > 4096) return 0;
  const std::string_view text = as_text({data, size});
  const std::size_t line_end = text.rfind('\n');
  if (line_end == std::string_view::npos) return 0;
  const std::string path = "/" + std::string(text.substr(line_end + 1));
  for (const auto sensitivity : {snapshot::Case::kSensitive, snapshot::Case::kInsensitive}) {
    snapshot::PathFilter filter;
    const Result<void> added = filter.add_lines(text.substr(0, line_end), sensitivity);
    if (!added) {
      ASSERT(added.error().code() == ErrorCode::kInvalidArgument);
      continue;
    }
    const bool matched = filter.matches(path);
    const std::string folder = path.substr(0, path.rfind('/'));
    if (matched) ASSERT(filter.may_match_below(folder) && filter.may_match_below(path));
  }
  return 0;
}
