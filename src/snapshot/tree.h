// The tree of a snapshot: one sorted map from key to entry, kept as pages whose boundaries depend
// on content (docs/format.md section 6.1). Two snapshots share every page that did not change; a
// folder of ten million files needs no more memory than one of ten; one file is found by reading
// one page a level.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "chunk/chunk.h"
#include "crypto/secret.h"
#include "snapshot/entry.h"

namespace backstay::snapshot {

struct TreeRoot {
  chunk::ChunkRef page;
  std::uint8_t level = 0;  // 0: the root page is a leaf
  std::uint64_t entries = 0;
  friend bool operator==(const TreeRoot&, const TreeRoot&) = default;
};

struct PageSizes {
  std::uint32_t min_bytes;
  std::uint32_t mean_bytes;  // beyond the minimum, on average
  std::uint32_t max_bytes;
};
inline constexpr PageSizes kLeafSizes{16 * 1024, 48 * 1024, 128 * 1024};
inline constexpr PageSizes kInnerSizes{4 * 1024, 12 * 1024, 32 * 1024};
inline constexpr std::uint8_t kTreeLevelMax = 12;

// Takes entries in strictly ascending key order and writes pages as they fill. One page a level is
// in memory. Not thread-safe.
class TreeBuilder {
 public:
  // `page_key` decides the boundaries (docs/format.md section 4.2).
  TreeBuilder(chunk::ChunkWriter& pages, const crypto::Secret& page_key);
  ~TreeBuilder();
  // invalid_argument when `key` is not greater than the one before.
  Result<void> add(std::string_view key, const Entry& entry);
  // The two halves of add(). The first fails, and changes nothing, with an entry that cannot be
  // kept: one that breaks a rule of docs/format.md section 6.2, or whose attributes take more than
  // 8 MiB.
  Result<void> encode(const Entry& entry);
  Result<void> add_encoded(std::string_view key);
  // An empty tree is one empty leaf.
  Result<TreeRoot> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct TreeItem {
  std::string key;
  Entry entry;
};

// Walks a tree in key order and can jump. Reads one page a level at a time, each checked against
// its parent. A failed call changes nothing: the next one tries again. Not thread-safe.
class TreeCursor {
 public:
  TreeCursor(chunk::ChunkReader& pages, const TreeRoot& root);
  ~TreeCursor();
  TreeCursor(TreeCursor&&) noexcept;
  // The next item, or nothing at the end. Fails with corruption on a page that is damaged, out of
  // order or absurd; the caller may go on with skip_damaged_page().
  Result<std::optional<TreeItem>> next();
  // The next item returned is the first with a key >= `key`. Going backwards is allowed.
  Result<void> seek(std::string_view key);
  // After next() or seek() failed: steps over what could not be read, a page or a single entry of
  // an intact page. False when nothing follows. The lost keys go from damaged_first_key(), asked
  // before, up to the key that next() gives then.
  Result<bool> skip_damaged_page();
  [[nodiscard]] std::string damaged_first_key() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The entry with exactly this key, or nothing.
Result<std::optional<Entry>> find_entry(chunk::ChunkReader& pages, const TreeRoot& root,
                                        std::string_view key);

// Calls `each` for the entries directly inside `folder` in order, stepping over what is deeper.
Result<void> list_folder(chunk::ChunkReader& pages, const TreeRoot& root, std::string_view folder,
                         const std::function<Result<void>(const TreeItem&)>& each);

// Calls `each` for every page, root first; does not go below a page for which it returns false. The
// level is 0 for leaves. For check, copy and prune.
Result<void> for_each_page(
    chunk::ChunkReader& pages, const TreeRoot& root,
    const std::function<Result<bool>(const chunk::ChunkRef& page, std::uint8_t level)>& each);

// The items of one leaf page: for check, which looks at pages it has not seen in an older snapshot.
Result<void> for_each_leaf_item(ByteView page,
                                const std::function<Result<void>(const TreeItem&)>& each);
// One page decoded as a whole; corruption when that takes more than 256 MiB.
Result<std::vector<TreeItem>> decode_leaf(ByteView page);
struct PageChild {
  std::string first_key;
  chunk::ChunkRef page;
  std::uint64_t entries = 0;
};
Result<std::vector<PageChild>> decode_inner(ByteView page, std::uint8_t level);

// What differs, in key order, at the cost of what differs: pages that both trees share are not
// read.
struct TreeChange {
  std::string key;
  std::optional<Entry> before;  // absent: added
  std::optional<Entry> after;   // absent: removed
};
Result<void> diff_trees(chunk::ChunkReader& pages, const TreeRoot& before, const TreeRoot& after,
                        const std::function<Result<void>(const TreeChange&)>& each);
// The same for the entry `key` and what is below it: what lies elsewhere is not read, but for the
// pages that reach into it.
Result<void> diff_trees_within(chunk::ChunkReader& pages, const TreeRoot& before,
                               const TreeRoot& after, std::string_view key,
                               const std::function<Result<void>(const TreeChange&)>& each);
// Whether there is such a difference that `counts`; reads no further than to the first.
Result<bool> differ_within(chunk::ChunkReader& pages, const TreeRoot& before, const TreeRoot& after,
                           std::string_view key,
                           const std::function<bool(const TreeChange&)>& counts);

}  // namespace backstay::snapshot
