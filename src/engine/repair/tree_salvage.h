// What of a snapshot's tree can still be had, and the tree of just that.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "engine/activity.h"
#include "repo/repository.h"
#include "repo/store_session.h"
#include "snapshot/tree.h"

namespace backstay::engine::repairing {

struct SalvagedTree {
  snapshot::TreeRoot root;
  std::uint64_t files = 0;  // everything that is not a folder
  std::uint64_t dirs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t files_lost = 0;
  std::uint64_t stretches_lost = 0;
};

// Asks of chunks in packs that are trusted only whether the index knows them, as a check does; of
// all others, whether their bytes can be read. Failures are those of the store: what cannot be
// asked is not lost.
class TreeSalvage {
 public:
  TreeSalvage(repo::Repository& repository, Activity& activity)
      : repository_(repository), activity_(activity) {}

  // Pages that snapshots share are looked at once.
  Result<bool> is_whole(const snapshot::TreeRoot& root);

  // Hears of what is left out: its path, whether it is a stretch that begins there, and why.
  using Lost = std::function<void(const std::string& path, bool stretch, const Error& why)>;
  // Builds the tree of what is left; without pages it only counts, and the root is nothing.
  Result<SalvagedTree> salvage(const snapshot::TreeRoot& root, chunk::ChunkWriter* pages,
                               const Lost& lost);

 private:
  Result<bool> page_is_whole(const chunk::ChunkRef& page, std::uint8_t level);
  Result<bool> look_at(const chunk::ChunkRef& page, std::uint8_t level);
  // Why a file's content cannot be had, or nothing.
  Result<std::optional<Error>> trouble_with(const snapshot::Entry& entry);
  Result<bool> has(const chunk::ChunkRef& ref);

  repo::Repository& repository_;
  Activity& activity_;
  std::unordered_map<chunk::ChunkId, bool> pages_;     // whole, with all below them
  std::unordered_map<chunk::ChunkId, bool> doubtful_;  // chunks in no trusted pack: readable?
};

// Puts tree pages into frames and those into packs.
class PageStore final : public chunk::ChunkWriter {
 public:
  PageStore(repo::Repository& repository, repo::StoreSession& session)
      : repository_(repository), session_(session) {}
  Result<chunk::ChunkRef> write(ByteView plaintext) override;
  Result<void> flush();

 private:
  repo::Repository& repository_;
  repo::StoreSession& session_;
  repo::FrameEncoder encoder_;
  Bytes bytes_;
  std::vector<chunk::ChunkRef> chunks_;
};

}  // namespace backstay::engine::repairing
