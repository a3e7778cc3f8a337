// Index entries from the packs themselves: each ends with a directory of what is in it
// (docs/format.md sections 5.4 and 8.6).
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "repo/index.h"
#include "repo/pack.h"

namespace backstay::repo {

// How much of a pack is read before its directory is believed.
enum class PackDepth : std::uint8_t {
  kDirectory,  // header and directory, which are authenticated
  kWhole,      // all of it, against its name: the frames may never have reached the disk
};

struct PackReading {
  PackDepth depth = PackDepth::kDirectory;
  std::size_t readers = 1;  // threads; 1: on the caller's
};

struct RecoveredPacks {
  std::vector<ObjectId> packs;
  std::uint64_t chunks = 0;
  // Gone meanwhile, damaged, torn, or closed to this user.
  std::vector<std::pair<ObjectId, Error>> unreadable;

  void append(RecoveredPacks more);
};
// Reads the directories of the packs, some at a time, and gives what they hold to `take` in
// portions of about a million entries. A failure means that the store could not be asked, or is
// that of `take`.
Result<RecoveredPacks> recover_packs(
    backend::Backend& store, const Keyring& keyring, const RepositoryId& repository,
    const std::vector<Index::Pack>& packs, const PackReading& how,
    const std::function<Result<void>(std::vector<PackEntries>)>& take);

// The directory of a pack, by three small reads.
Result<PackDirectory> read_directory(backend::Backend& store, const Keyring& keyring,
                                     const RepositoryId& repository, const Index::Pack& pack);

// The whole object against its name, read in pieces: corruption when they differ.
Result<void> verify_name(backend::Backend& store, ObjectKind kind, const ObjectId& id);

}  // namespace backstay::repo
