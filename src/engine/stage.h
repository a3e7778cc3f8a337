// Stages: what was backed up while a repository was away, kept in a folder of this machine until it
// can be sent (docs/adr/0023-stages.md).
//
// A stage is a repository with the config and the keys of the one that is away, so that chunks have
// the same ids in both. Its snapshots have their whole trees in it; of the bytes of files only what
// the other was not known to have.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

// Which chunks need not be stored while `known` is away: bytes of files that its index has. Trees
// and lists of extents are not among them, so that a stage can be read without it. `known` has its
// index loaded, and outlives what this gives.
[[nodiscard]] repo::Index::KnownElsewhere data_known_to(const repo::Repository& known);

struct SendOptions {
  std::optional<repo::Compression> compression;
  std::string host;  // for the lease
  std::string user;
  std::size_t threads = 0;         // 0: one a processor
  std::uint64_t memory_limit = 0;  // bytes; 0: the default
};

enum class SendOutcome : std::uint8_t {
  kSent,
  kThereAlready,  // by a run that ended before it could free the stage
  kMissing,       // of what it relies on something is nowhere any more; it stays in the stage
  kDamaged,       // cannot be read in the stage; it stays there
};
// "sent", "there_already", "missing", "damaged"
[[nodiscard]] std::string_view to_string(SendOutcome outcome);

struct SentSnapshot {
  repo::StoredSnapshot staged;
  SendOutcome outcome = SendOutcome::kSent;
  std::optional<snapshot::SnapshotId> sent;  // kSent, kThereAlready
  std::uint64_t bytes_added = 0;             // plaintext that the repository did not have
  std::uint64_t bytes_stored = 0;            // what it grew by
  std::string failure;                       // kMissing, kDamaged
};

struct SendReport {
  std::uint64_t sent = 0;
  std::uint64_t there_already = 0;
  std::uint64_t kept = 0;  // could not be sent
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
};

// Loads what is known of the repository, without what a check found damaged in it: that is stored
// again, as it would be there. Of runs that cannot be read more is stored than would have to be.
Result<void> load_known(repo::Repository& known);

// Sends all snapshots of the stage, oldest first, and calls `done` after each. Each is a commit of
// its own; chunks that the repository has are not read. A snapshot goes from the stage only after
// it was read back, and every pack that holds what the stage has of it was found there. One that
// lacks a chunk is not committed, because what is committed must restore.
//
// Both have the same config and a full key. The caller is alone with the stage.
Result<SendReport> send_staged(repo::Repository& stage, repo::Repository& remote,
                               const SendOptions& options, Activity& activity,
                               const std::function<void(const SentSnapshot&)>& done);

// Removes what no snapshot of the stage needs: what was sent, and what runs left that failed or
// were killed. Returns the bytes of packs. The caller is alone with the stage.
Result<std::uint64_t> free_stage(repo::Repository& stage);

// Whether all that a staged snapshot needs is in the stage: then it restores from there. Its index
// is loaded.
Result<bool> is_whole_in_stage(repo::Repository& stage, const snapshot::Snapshot& staged);

}  // namespace backstay::engine
