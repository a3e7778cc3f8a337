// The entries of a restic tree in the order of tree keys.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "foreign/restic/node.h"
#include "foreign/restic/pieces.h"
#include "json/reader.h"

namespace backstay::foreign::restic {

struct WalkedNode {
  std::string key;
  Node node;
};

// restic keeps a folder as one piece of JSON, its entries by ascending name. One such piece a level
// is in memory.
class TreeWalk {
 public:
  // `base` is the key of the folder that the tree's root is laid into.
  TreeWalk(const Pieces& pieces, const Id& root, std::string base);
  // Nothing at the end. corruption for a tree that is damaged, out of order or too deep.
  Result<std::optional<WalkedNode>> next();
  // What is in the folder that next() gave last is left out.
  void pass_over_folder() { to_enter_.reset(); }

 private:
  struct Level {
    Bytes text;
    json::Reader reader;
    std::string folder;
    std::string last_name;
  };
  Result<void> enter(const Id& tree, std::string folder);
  Result<std::optional<WalkedNode>> next_here(Level& level);

  const Pieces& pieces_;
  std::vector<std::unique_ptr<Level>> levels_;
  std::optional<std::pair<Id, std::string>> to_enter_;
};

// The node at a path below a tree's root; nothing when there is none.
Result<std::optional<Node>> find_node(const Pieces& pieces, const Id& root, std::string_view key);

}  // namespace backstay::foreign::restic
