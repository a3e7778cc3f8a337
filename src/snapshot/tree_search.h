// Looks for entries in many trees at the cost of the pages that differ: a page that several trees
// share is read once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "chunk/chunk.h"
#include "crypto/hash.h"
#include "snapshot/entry.h"
#include "snapshot/tree.h"

namespace backstay::snapshot {

// Keeps what was found, and a few bytes for each page that was read. Not thread-safe.
class TreeSearch {
 public:
  struct Wanted {
    std::function<bool(const std::string& key)> key;  // asked before the entry is decoded
    std::function<bool(const Entry& entry)> entry;
  };
  // Hears of a page, or an entry of it, that cannot be read; what follows it is still searched.
  // Returns a failure to stop.
  using Damaged = std::function<Result<void>(const Error&)>;
  TreeSearch(chunk::ChunkReader& pages, Wanted wanted, Damaged damaged);

  // The same key with the same entry is one match, in however many trees it is.
  struct Match {
    std::string key;
    Entry entry;
  };
  // Calls `each` with the numbers of the matches of this tree, in the order of their keys.
  Result<void> search(const TreeRoot& root, const std::function<void(std::uint32_t)>& each);
  // In the order in which they were found first.
  [[nodiscard]] const std::vector<Match>& matches() const { return matches_; }
  [[nodiscard]] std::uint64_t pages_read() const { return pages_read_; }

 private:
  // What of a page was found to matter: of a leaf the matches, of others the pages with some below.
  static constexpr std::uint32_t kNoMatch = UINT32_MAX;
  struct Page {
    std::vector<std::uint32_t> matches;
    std::vector<chunk::ChunkId> children;
    [[nodiscard]] bool empty() const { return matches.empty() && children.empty(); }
  };

  // Whether something matches in the page or below it.
  Result<bool> look_into(const chunk::ChunkRef& ref, std::uint8_t level);
  Result<Page> read_leaf(const chunk::ChunkRef& ref);
  Result<Page> read_inner(const chunk::ChunkRef& ref, std::uint8_t level);
  Result<void> look_at(const std::string& key, ByteView record, Page& page);
  void tell(const chunk::ChunkId& page, const std::function<void(std::uint32_t)>& each) const;

  chunk::ChunkReader& pages_;
  Wanted wanted_;
  Damaged damaged_;
  std::vector<Match> matches_;
  std::unordered_map<crypto::Digest, std::uint32_t> numbers_;  // by hash of key and record
  std::unordered_map<chunk::ChunkId, Page> known_;
  std::uint64_t pages_read_ = 0;
};

}  // namespace backstay::snapshot
