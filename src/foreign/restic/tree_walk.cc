#include "foreign/restic/tree_walk.h"

#include <utility>

#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::restic {

namespace {

// "nodes" of a tree, with the reader before its first element; false where there are none.
Result<bool> find_nodes(json::Reader& reader) {
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key != "nodes") {
      TRY(reader.skip());
    } else if (reader.take_null()) {
      return false;
    } else {
      TRY(reader.enter_array());
      return true;
    }
  }
  return false;
}

}  // namespace

TreeWalk::TreeWalk(const Pieces& pieces, const Id& root, std::string base) : pieces_(pieces) {
  to_enter_.emplace(root, std::move(base));
}

Result<void> TreeWalk::enter(const Id& tree, std::string folder) {
  const std::string path = snapshot::path_from_key(folder);
  Bytes text = TRY_DOING("reading the folder " + path, pieces_.read(tree, kTreePieceMax));
  auto level = std::make_unique<Level>(Level{.text = std::move(text),
                                             .reader = json::Reader({}),
                                             .folder = std::move(folder),
                                             .last_name = {}});
  level->reader = json::Reader(as_text(level->text));
  const bool any = TRY_DOING("reading the folder " + path, find_nodes(level->reader));
  if (any) levels_.push_back(std::move(level));
  return {};
}

Result<std::optional<WalkedNode>> TreeWalk::next_here(Level& level) {
  if (!TRY(level.reader.next_element())) return std::nullopt;
  Node node = TRY(parse_node(TRY(level.reader.raw())));
  if (!level.last_name.empty() && node.name <= level.last_name)
    return fail(ErrorCode::kCorruption, "names are out of order, or one stands twice");
  level.last_name = node.name;
  std::string key = snapshot::child_key(level.folder, node.name);
  if (key.size() > snapshot::kKeyBytesMax)
    return fail(ErrorCode::kCorruption, "a path is longer than 1 MiB");
  return WalkedNode{.key = std::move(key), .node = std::move(node)};
}

Result<std::optional<WalkedNode>> TreeWalk::next() {
  if (to_enter_) {
    auto [tree, folder] = *std::exchange(to_enter_, {});
    TRY(enter(tree, std::move(folder)));
  }
  while (!levels_.empty()) {
    Level& level = *levels_.back();
    auto found =
        TRY_DOING("reading the folder " + snapshot::path_from_key(level.folder), next_here(level));
    if (!found) {
      levels_.pop_back();
      continue;
    }
    if (found->node.subtree) to_enter_.emplace(*found->node.subtree, found->key);
    return found;
  }
  return std::nullopt;
}

Result<std::optional<Node>> find_node(const Pieces& pieces, const Id& root, std::string_view key) {
  Id tree = root;
  for (;;) {
    const std::size_t end = std::min(key.find('\0'), key.size());
    const std::string_view name = key.substr(0, end);
    const Bytes text = TRY(pieces.read(tree, kTreePieceMax));
    json::Reader reader(as_text(text));
    std::optional<Node> found;
    bool more = TRY(find_nodes(reader)) && TRY(reader.next_element());
    while (more && !found) {
      Node node = TRY(parse_node(TRY(reader.raw())));
      if (node.name == name)
        found = std::move(node);
      else
        more = TRY(reader.next_element());
    }
    if (!found || end == key.size()) return found;
    if (!found->subtree) return std::nullopt;
    tree = *found->subtree;
    key.remove_prefix(end + 1);
  }
}

}  // namespace backstay::foreign::restic
