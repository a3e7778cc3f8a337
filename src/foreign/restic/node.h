// The records of restic's snapshots and trees.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "foreign/repository.h"
#include "foreign/restic/id.h"
#include "snapshot/entry.h"

namespace backstay::foreign::restic {

// One entry of a folder.
struct Node {
  std::string name;
  // Nothing for a kind that no snapshot of ours can have ("irregular").
  std::optional<snapshot::Entry> entry;
  std::string user;
  std::string group;
  std::vector<Id> content;    // of a file: its pieces in order
  std::optional<Id> subtree;  // of a folder
};

// corruption for what restic does not write: names that are none, attributes twice, numbers out of
// bounds. `text` is one element of "nodes".
Result<Node> parse_node(std::string_view text);

// What a snapshot file says; `id` is its name. Paths are as restic has them.
Result<ForeignSnapshot> parse_snapshot(const Id& id, std::string_view text);

// How restic writes a name into JSON: as Go quotes it, so that any byte survives.
Result<std::string> go_unquoted(std::string_view text);

}  // namespace backstay::foreign::restic
