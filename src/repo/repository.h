// An open repository: its config and keys, its snapshots, its index, and the way to its chunks.
//
// Thread contract: const methods and those of ChunkReader are thread-safe; load_index() and the
// methods that write are called by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/rng.h"
#include "chunk/chunk.h"
#include "repo/config.h"
#include "repo/generation.h"
#include "repo/index.h"
#include "repo/key_epoch.h"
#include "repo/key_rotation.h"
#include "repo/key_slot.h"
#include "repo/lease.h"
#include "repo/pack_recovery.h"
#include "repo/pack_survey.h"
#include "snapshot/snapshot.h"

namespace backstay::repo {

struct InitOptions {
  std::optional<crypto::Suite> suite;  // nothing: the faster one here
  Compression compression;
  crypto::Argon2Parameters argon2;
  std::string label;  // of the first key slot
  std::uint32_t pack_bytes = 16 * 1024 * 1024;
  // Then the credential is for a client that writes and cannot read, and this is the full key.
  std::optional<crypto::Secret> recovery_key_of_write_only = {};
};

struct OpenOptions {
  // A folder for decrypted index runs; empty for none (they are then held in memory).
  std::string cache_directory;
};

// What the outside world gives.
struct World {
  const Clock& clock;
  Rng& rng;
  // With kCallersOnly nothing runs beside the caller where the options of an operation do not ask
  // for it, so that a seed fixes what happens: whoever holds a lease renews it.
  enum class Threads : std::uint8_t { kSeveral, kCallersOnly };
  Threads threads = Threads::kSeveral;

  [[nodiscard]] Lease::Renewal renewal() const {
    return threads == Threads::kSeveral ? Lease::Renewal::kByThread : Lease::Renewal::kByHolder;
  }
  // Threads that look into packs, and packs that are put at once (StoreSession::Options).
  [[nodiscard]] std::size_t readers() const { return threads == Threads::kSeveral ? 4 : 1; }
  [[nodiscard]] std::size_t uploads() const { return threads == Threads::kSeveral ? 2 : 0; }
};

struct StoredSnapshot {
  snapshot::SnapshotId id;
  snapshot::Snapshot snapshot;  // with the tags that it has by now
  bool tags_known = true;       // false: a change of them cannot be read
  // Sealed in a way that only holders of a full key can (docs/format.md section 4.2), and so was
  // what it is a copy of.
  bool by_full_key = true;
};

void sort_oldest_first(std::vector<StoredSnapshot>& snapshots);

// What an operation holds its lease for. One that writes refers to packs that are not condemned;
// one that reads, or refers to what snapshots refer to, needs all that there are.
enum class LeaseUse : std::uint8_t { kWriting, kReading };

// Decoded plaintext of one frame, shared among its readers.
using FrameData = std::shared_ptr<const Bytes>;

class Repository final : public chunk::ChunkReader {
 public:
  // already_exists when there is a config object. Writes the generation, the first slot, the
  // config.
  static Result<std::unique_ptr<Repository>> init(std::unique_ptr<backend::Backend> backend,
                                                  const Credential& credential,
                                                  const InitOptions& options, World world);
  // no_repository when there is no config; wrong_key when no slot opens; corruption; unsupported.
  static Result<std::unique_ptr<Repository>> open(std::unique_ptr<backend::Backend> backend,
                                                  const Credential& credential,
                                                  const OpenOptions& options, World world);
  ~Repository() override;

  [[nodiscard]] const Config& config() const;
  [[nodiscard]] const Keyring& keyring() const;
  [[nodiscard]] backend::Backend& store() const;
  [[nodiscard]] World world() const;
  [[nodiscard]] std::uint64_t generation() const;  // the highest that is known
  // Those that have objects, ascending.
  [[nodiscard]] const std::vector<Generation>& generations() const;
  // corruption when one of them is damaged, or was made by somebody without a key that reads.
  Result<void> refresh_generations();
  // Why the last look at generations was not whole; then nothing may be written.
  [[nodiscard]] const std::optional<Error>& generation_trouble() const;

  // The first step of every operation: a lease, and then what is condemned, so that a collection
  // and this operation cannot miss each other (docs/format.md section 8.3). Fills in the record's
  // generation and start.
  Result<std::unique_ptr<Lease>> take_lease(LeaseRecord record, LeaseUse use);
  [[nodiscard]] const std::string& cache_directory() const;  // of this repository; empty for none

  // ---- snapshots
  // All readable snapshots that count, oldest first; those that are damaged go to `damaged` with
  // the reason.
  using DamagedSnapshot = std::function<void(const snapshot::SnapshotId&, const Error&)>;
  Result<std::vector<StoredSnapshot>> snapshots(const DamagedSnapshot& damaged);
  // Those that the last call of snapshots() met and that do not count: their backups were not
  // confirmed, and the next collection removes them.
  [[nodiscard]] const std::vector<snapshot::SnapshotId>& uncounted_snapshots() const;
  Result<std::vector<snapshot::SnapshotId>> list_snapshots();
  // As it was committed, whatever became of its tags.
  Result<snapshot::Snapshot> read_snapshot(const snapshot::SnapshotId& id);
  // False when its lease was ended before it was committed (docs/format.md section 8.3).
  [[nodiscard]] bool was_committed(const snapshot::SnapshotId& id,
                                   const snapshot::Snapshot& snapshot) const;
  // The same, or the store vouches for it: because it is append-only, or keeps it locked.
  [[nodiscard]] bool counts(const snapshot::SnapshotId& id,
                            const snapshot::Snapshot& snapshot) const;
  // The commit. Everything that it refers to was made durable before (docs/format.md section 8.1).
  // conflict when the lease was ended: nothing was committed then, or what a collection decides on.
  Result<snapshot::SnapshotId> commit_snapshot(snapshot::Snapshot snapshot, Lease& lease);
  // For who is alone with the repository: tests, and imports into a new one.
  Result<snapshot::SnapshotId> commit_snapshot(const snapshot::Snapshot& snapshot);

  // ---- index and chunks
  // Lists and maps the runs; call it after snapshots(). Runs that are damaged go to `damaged`; the
  // rest serve.
  using DamagedRun = std::function<void(const ObjectId&, const Error&)>;
  Result<void> load_index(const DamagedRun& damaged);
  // Until two listings agree, because one may miss a run as well as the run that replaces it.
  // `damaged` hears what the last one found; unavailable when they never agree.
  Result<void> load_settled_index(const DamagedRun& damaged);
  [[nodiscard]] Index& index() const;
  // Once asked for, a chunk that is in no run is looked for in the directories of packs that no run
  // names: once, when the first such chunk is met, and `told` hears of it before it is read.
  using Recovery = std::function<void(const RecoveredPacks&)>;
  void recover_when_needed(Recovery told);
  // The same at once; for commands that want to know all. What is in marked packs comes last.
  Result<RecoveredPacks> recover_now(const PackSurvey& survey);

  // Where a chunk is: in the index, or found as above. Nothing when it is nowhere. Thread-safe.
  Result<std::optional<ChunkLocation>> locate(const chunk::ChunkId& id);
  // From any of its places: when one is damaged or lost, from the next, at last from packs that no
  // run names.
  Result<Bytes> read(const chunk::ChunkRef& ref) override;
  // A chunk that could not be had from `bad` because of `error`, from any other place; that error
  // when there is none.
  Result<Bytes> read_elsewhere(const chunk::ChunkRef& ref, const FrameLocation& bad, Error error);
  // Fetches, authenticates and decodes one frame. corruption, not_found (the pack is gone).
  Result<FrameData> read_frame(const FrameLocation& frame);
  // A chunk of a frame that was read from its place, or, where the frame or the chunk in it is
  // damaged or lost, from any other place: then `kept` holds the bytes.
  Result<ByteView> chunk_of(const Result<FrameData>& frame, const ChunkLocation& at,
                            const chunk::ChunkRef& ref, Bytes& kept);
  // Cuts a chunk out of a frame and checks it against its id.
  Result<ByteView> chunk_in_frame(const Bytes& frame, std::uint32_t offset_in_frame,
                                  const chunk::ChunkRef& ref) const;
  [[nodiscard]] chunk::ChunkId chunk_id(ByteView plaintext) const;
  // The same for plaintext that comes in pieces: the id is what the stream gives at the end.
  [[nodiscard]] crypto::Blake3Stream chunk_id_stream() const;

  // ---- keys
  Result<std::vector<KeySlotEntry>> key_slots();
  // Those that do not open the repository any more, or never did: see UnlockedKeys.
  [[nodiscard]] const std::vector<ObjectId>& unusable_key_slots() const;
  Result<std::vector<ForkedEpoch>> forked_key_epochs() const;
  // Adds a slot for the credential and returns its name. conflict while somebody else changes keys.
  Result<ObjectId> add_key_slot(const SlotInfo& info, const Credential& credential);
  // conflict when no slot would be left that can read.
  Result<void> remove_key_slot(const ObjectId& id);
  // Begins a new key epoch, and removes the slot that is revoked (docs/format.md section 4.6).
  Result<RotationReport> rotate_keys(const std::optional<ObjectId>& revoked);

 private:
  struct State;
  Result<void> look_at_generations();
  Result<std::unique_ptr<Lease>> acquire_lease(LeaseRecord record);
  Result<snapshot::SnapshotId> store_snapshot(const snapshot::Snapshot& snapshot);
  Result<bool> is_to_be_taken_back(const snapshot::SnapshotId& id,
                                   const snapshot::Snapshot& snapshot, const Lease& lease);
  Result<StoredSnapshot> read_stored(const snapshot::SnapshotId& id);
  Result<std::unique_ptr<Lease>> take_key_lease();
  Result<Bytes> read_at(const chunk::ChunkRef& ref, const ChunkLocation& at);
  explicit Repository(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace backstay::repo
