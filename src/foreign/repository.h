// Repositories of other programs, to be read only: their snapshots, and each as a source of a
// backup. Nothing is ever written to one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "snapshot/snapshot.h"
#include "source/source.h"

namespace backstay::foreign {

struct ForeignSnapshot {
  std::string id;    // hexadecimal, as that program has it
  std::string name;  // what its users call it, where that is something else
  // What it says of itself; tree, type, counts and names of users are known when it was read.
  snapshot::Snapshot record;
  std::string tree;  // of restic: the id of its root
  std::string base;  // of restic: the key of the folder that the tree is laid into
};

// The order in which snapshots come.
[[nodiscard]] inline std::pair<Timestamp, std::string> by_time(const ForeignSnapshot& snapshot) {
  return {snapshot.record.started, snapshot.id};
}

// What the entries said about names, by number.
struct OwnerNames {
  std::map<std::uint32_t, std::string> users;
  std::map<std::uint32_t, std::string> groups;
};

// The entries of one snapshot. next() gives whole entries (SourceItem::complete), and says of
// files with other bytes than the snapshot before had that they must be read.
class ForeignSource : public source::Source {
 public:
  // Of the entries that next() has given.
  [[nodiscard]] virtual const OwnerNames& names() const = 0;
  // The same entries from the first one on, for a comparison; files need not be opened after that.
  virtual Result<void> rewind() = 0;
};

struct ForeignHooks {
  std::function<void(const std::string& what, const Error& error)> report;  // damage
  std::function<void(const std::string& message)> note;
  std::stop_token stop;
};

class ForeignRepository {
 public:
  virtual ~ForeignRepository() = default;
  // Oldest first. Those that cannot be read are reported and left out.
  virtual Result<std::vector<ForeignSnapshot>> snapshots(const ForeignHooks& hooks) = 0;
  // Finds out what costs more than a look, above all the paths as they lie in the tree. A failure
  // is about this snapshot alone when its code is corruption or not_found.
  virtual Result<void> complete(ForeignSnapshot& snapshot, const ForeignHooks& hooks) = 0;
  // `before` is an earlier snapshot, or null: files with the same bytes there are not asked to be
  // read again. The repository must outlive the source.
  virtual Result<std::unique_ptr<ForeignSource>> open(const ForeignSnapshot& snapshot,
                                                      const ForeignSnapshot* before,
                                                      const ForeignHooks& hooks) = 0;
};

}  // namespace backstay::foreign
