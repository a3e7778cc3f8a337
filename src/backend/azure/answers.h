// What Azure Blob Storage says in XML. Everything here is hostile: who reads it limits its size,
// nothing is fetched or expanded, and what is missing or no number is corruption.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"

namespace backstay::backend::azure {

struct ListedBlob {
  std::string name;
  std::uint64_t size_bytes = 0;
  Timestamp modified;
};
struct BlobPage {
  std::vector<ListedBlob> blobs;
  std::string next;  // the marker of the next page; empty at the end
};
// <EnumerationResults>
Result<BlobPage> parse_blobs(ByteView xml);

// <BlockList> of ids that are Base64 already.
[[nodiscard]] std::string block_list_body(const std::vector<std::string>& ids);

}  // namespace backstay::backend::azure
