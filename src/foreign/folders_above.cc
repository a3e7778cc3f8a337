#include "foreign/folders_above.h"

#include "snapshot/tree_key.h"

namespace backstay::foreign {

std::vector<source::SourceItem> folders_between(std::string_view last, std::string_view key,
                                                Timestamp when) {
  std::vector<source::SourceItem> made;
  for (std::size_t at = key.find('\0'); at != std::string_view::npos; at = key.find('\0', at + 1)) {
    const std::string_view folder = key.substr(0, at);
    if (!last.empty() && snapshot::is_within(last, folder)) continue;
    snapshot::Entry entry;
    entry.type = snapshot::EntryType::kDirectory;
    entry.mode = 0755;
    entry.modified = entry.changed = when;
    made.push_back({.key = std::string(folder), .entry = std::move(entry), .complete = true});
  }
  return made;
}

}  // namespace backstay::foreign
