// A folder of the mounted tree while a program lists it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "mount/node.h"
#include "snapshot/tree.h"

namespace backstay::mount {

// How long what was said of a name stays true.
enum class Lasting : std::uint8_t {
  kForEver,  // in a snapshot
  kForNow,   // until there are other snapshots
};

struct Child {
  std::string name;
  Node node;
  struct stat status {};
  Lasting lasting = Lasting::kForEver;
  std::shared_ptr<const snapshot::Entry> entry = {};  // of what is in a snapshot
};

class OpenFolder {
 public:
  virtual ~OpenFolder() = default;
  // The child of this number, from 0; nothing behind the last one. Thread-safe; meant to be asked
  // for one after the other, and able to go back.
  virtual Result<std::optional<Child>> at(std::uint64_t number) = 0;
};

// Of what is listed as a whole.
class ListedFolder final : public OpenFolder {
 public:
  explicit ListedFolder(std::vector<Child> children) : children_(std::move(children)) {}
  Result<std::optional<Child>> at(std::uint64_t number) override {
    if (number >= children_.size()) return std::nullopt;
    return children_[static_cast<std::size_t>(number)];
  }

 private:
  const std::vector<Child> children_;
};

// Of a snapshot: reads the pages of the tree as they are asked for, so that a folder with a million
// files begins at once and takes no more memory than one with ten, but for a mark every thousand.
class EntryFolder final : public OpenFolder {
 public:
  // The reader must outlive it.
  EntryFolder(chunk::ChunkReader& pages, ServedPtr snapshot, std::string folder);
  Result<std::optional<Child>> at(std::uint64_t number) override EXCLUDES(mutex_);

 private:
  Result<void> go_to(std::uint64_t number) REQUIRES(mutex_);
  Result<std::optional<snapshot::TreeItem>> next() REQUIRES(mutex_);

  const ServedPtr snapshot_;
  const std::string folder_;
  // Held while pages are read: a listing is one after the other.
  Mutex mutex_;
  snapshot::TreeCursor cursor_ GUARDED_BY(mutex_);
  std::uint64_t number_ GUARDED_BY(mutex_) = 0;          // of the child that next() gives
  std::vector<std::string> marks_ GUARDED_BY(mutex_);    // the keys of every kMarkEvery-th child
  std::optional<std::uint64_t> end_ GUARDED_BY(mutex_);  // how many there are, once that is known
  std::optional<Child> last_ GUARDED_BY(mutex_);         // number_ - 1, while it may be asked again
  bool in_place_ GUARDED_BY(mutex_) = false;             // false: the cursor has to seek first
};

}  // namespace backstay::mount
