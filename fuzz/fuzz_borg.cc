// Lines are the items of an archive of borg's: whatever they say, they are refused, or make a list
// of files that is in order and leads nowhere else.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "foreign/borg/archive.h"
#include "snapshot/tree_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  std::string_view text = as_text({data, size});
  const auto list = foreign::borg::parse_list(text);
  const auto head = foreign::borg::parse_head(text);
  ASSERT(list || list.error().code() == ErrorCode::kCorruption);
  ASSERT(head || head.error().code() == ErrorCode::kCorruption);
  const foreign::ForeignHooks hooks{.report = [](const std::string&, const Error&) {},
                                    .note = [](const std::string&) {},
                                    .stop = {}};
  foreign::borg::ArchiveBuilder builder("");
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto item = foreign::borg::parse_item(line);
    ASSERT(item || item.error().code() == ErrorCode::kCorruption);
    if (!item) continue;
    const auto added = builder.add(*std::move(item), hooks);
    ASSERT(added || added.error().code() == ErrorCode::kCorruption);
  }
  const auto archive = builder.finish();
  if (!archive) {
    ASSERT(archive.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  const std::string* last = nullptr;
  for (const auto& entry : archive->entries) {
    ASSERT(snapshot::validate_key(entry.key) && snapshot::decode_entry(entry.record));
    ASSERT(entry.bytes_of < archive->entries.size());
    ASSERT(last == nullptr || *last < entry.key);
    last = &entry.key;
  }
  return 0;
}
