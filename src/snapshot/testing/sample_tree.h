// Trees built from maps, and maps read from trees, for tests.
#pragma once

#include <map>
#include <string>

#include "base/error.h"
#include "snapshot/testing/memory_chunks.h"
#include "snapshot/testing/samples.h"
#include "snapshot/tree.h"

namespace backstay::snapshot::testing {

using EntryMap = std::map<std::string, Entry>;

// The root folder is not among them unless it is in the map. Ends the test program when building
// fails.
TreeRoot build_tree(MemoryChunks& chunks, const EntryMap& entries,
                    const crypto::Secret& page_key = sample_key(1));
Result<EntryMap> read_tree(MemoryChunks& chunks, const TreeRoot& root);

// "folder-000012\0file-00012345": a hundred files a folder, in the order of their numbers.
[[nodiscard]] std::string numbered_key(std::uint64_t number);
[[nodiscard]] EntryMap numbered_files(std::uint64_t count);
// The same with an attribute of a kilobyte each: 20,000 make a tree of three levels.
[[nodiscard]] EntryMap heavy_files(std::uint64_t count);

}  // namespace backstay::snapshot::testing
