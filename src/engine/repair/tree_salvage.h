// What of a snapshot's tree can still be had, and the tree of just that.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/activity.h"
#include "repo/pack_survey.h"
#include "repo/repository.h"
#include "repo/store_session.h"
#include "snapshot/tree.h"
#include "snapshot/tree_walker.h"

namespace backstay::engine::repairing {

struct SalvagedTree {
  snapshot::TreeRoot root;
  std::uint64_t files = 0;  // everything that is not a folder
  std::uint64_t dirs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t files_lost = 0;
  std::uint64_t stretches_lost = 0;
};

// Reads chunks for who is about to take something out for good: a chunk is lost only where every
// place that is known has lost it, and each loss is asked for twice.
class LossReader final : public chunk::ChunkReader {
 public:
  // `present` are the packs that are there. One of them that is not found when it is read is a
  // store that does not answer as it should, and no loss.
  LossReader(repo::Repository& repository, const repo::ListedPacks& present)
      : repository_(repository), present_(present) {}

  // corruption or not_found: lost. All other failures are those of the store.
  Result<Bytes> read(const chunk::ChunkRef& ref) override;
  // Asks of chunks in packs that are trusted only whether the index knows them, as a check does; of
  // all others, whether their bytes can be read.
  Result<bool> has(const chunk::ChunkRef& ref);

  // Whether anything was found lost since the last confirm().
  [[nodiscard]] bool has_news() const { return unconfirmed_ > 0; }
  // After the index was loaded and the packs were listed anew: reads once more what was found lost.
  // False when some of it can be read after all.
  Result<bool> confirm();
  // From now on nothing new may turn out to be lost: that is a failure.
  void settle(bool settled) { settled_ = settled; }

 private:
  struct Loss {
    ErrorCode code = ErrorCode::kNotFound;
    bool confirmed = false;
  };
  Result<Bytes> read_any_place(const chunk::ChunkRef& ref);

  repo::Repository& repository_;
  const repo::ListedPacks& present_;
  // With the length, too: one tree may state another one than the rest.
  using Key = std::pair<chunk::ChunkId, std::uint32_t>;
  std::map<Key, Loss> lost_;
  std::set<Key> readable_;  // in no trusted pack
  std::size_t unconfirmed_ = 0;
  bool settled_ = false;
};

// Failures are those of the store: what cannot be asked is not lost.
class TreeSalvage {
 public:
  TreeSalvage(repo::Repository& repository, LossReader& chunks, Activity& activity)
      : repository_(repository), chunks_(chunks), activity_(activity) {}

  // As a restore would find it. Pages that snapshots share are looked at once.
  Result<bool> is_whole(const snapshot::TreeRoot& root);

  // Hears of what is left out: its path, whether it is a stretch that begins there, and why.
  using Lost = std::function<void(const std::string& path, bool stretch, const Error& why)>;
  // Builds the tree of what is left; without pages it only counts, and the root is nothing.
  Result<SalvagedTree> salvage(const snapshot::TreeRoot& root, chunk::ChunkWriter* pages,
                               const Lost& lost);

 private:
  Result<bool> entry_is_whole(ByteView record);
  // Why a file's content cannot be had, or nothing.
  Result<std::optional<Error>> trouble_with(const snapshot::Entry& entry);

  repo::Repository& repository_;
  LossReader& chunks_;
  Activity& activity_;
  std::unordered_map<chunk::ChunkId, snapshot::PageFacts> whole_;  // with all below them
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
