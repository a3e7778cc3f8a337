// What a backup is: the record that commits it (docs/format.md section 7).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/strong_id.h"
#include "snapshot/tree.h"

namespace backstay::snapshot {

// BLAKE3-256 of the stored object.
using SnapshotId = StrongId<struct SnapshotIdTag>;
// The id of the lease under which it was committed.
using CommitLease = StrongId<struct CommitLeaseTag, 16>;

// These numbers are stored in repositories: do not change them.
enum class BackupType : std::uint8_t { kFull = 1, kIncremental = 2, kDifferential = 3 };
[[nodiscard]] std::string_view to_string(BackupType type);
Result<BackupType> parse_backup_type(std::string_view name);

enum class Status : std::uint8_t { kComplete = 1, kPartial = 2 };
[[nodiscard]] std::string_view to_string(Status status);

struct SnapshotStats {
  std::uint64_t files_new = 0;
  std::uint64_t files_changed = 0;
  std::uint64_t files_unmodified = 0;
  std::uint64_t files_deleted = 0;
  std::uint64_t dirs_total = 0;
  std::uint64_t files_total = 0;   // everything that is not a folder
  std::uint64_t bytes_total = 0;   // sum of the sizes of regular files
  std::uint64_t bytes_read = 0;    // read from the source
  std::uint64_t bytes_added = 0;   // plaintext of chunks that were not stored before
  std::uint64_t bytes_stored = 0;  // what the repository grew by, all objects
  std::uint64_t errors = 0;
  friend bool operator==(const SnapshotStats&, const SnapshotStats&) = default;
};

struct SourceError {
  std::string path;
  std::string message;
  friend bool operator==(const SourceError&, const SourceError&) = default;
};
inline constexpr std::size_t kRecordedErrorsMax = 100;
// As paths and messages are recorded and shown: 100 of them must fit into a snapshot, and a person
// must find the words around them. Of a text of more than 4 KiB the middle is left out, the part
// that is missed least.
[[nodiscard]] std::string shortened(const std::string& text);
// Whether a text may have been shortened.
[[nodiscard]] bool may_be_shortened(std::string_view text);

// What a repair left out because it was lost in the repository.
struct Repaired {
  SnapshotId from;  // as it was backed up, whatever repairs there were in between
  std::uint64_t files_lost = 0;
  std::uint64_t stretches_lost = 0;  // of the tree: what was in them is not known
  Timestamp time;
  friend bool operator==(const Repaired&, const Repaired&) = default;
};

struct Snapshot {
  Timestamp started;
  Timestamp finished;
  std::string host;
  std::string user;
  std::vector<std::string> paths;  // absolute, clean, sorted
  std::vector<std::string> tags;   // sorted, unique
  std::string description;
  BackupType type = BackupType::kFull;
  std::optional<SnapshotId> parent;  // what it was compared with
  Status status = Status::kComplete;
  TreeRoot tree;
  SnapshotStats stats;
  std::vector<std::string> excludes;
  std::string program;              // "backstay 0.1.0"
  std::vector<SourceError> errors;  // the first kRecordedErrorsMax
  std::map<std::uint32_t, std::string> user_names;
  std::map<std::uint32_t, std::string> group_names;
  std::uint64_t larger_left_out = 0;  // regular files larger than that were left out; 0: none
  // Within the paths, left out with all they hold; absolute, clean, sorted.
  std::vector<std::string> places_left_out;
  // Set where it is committed (docs/format.md section 8.3).
  std::optional<CommitLease> lease;
  // Where a copy comes from, "backstay:" repository "/" snapshot; empty for what was made here.
  std::string origin;
  // Set when it stands in for one of which a part was lost.
  std::optional<Repaired> repaired;
  // Of a copy, or one that stands in: who made the original may know no more than a write-only key.
  bool by_write_only_key = false;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

void encode_snapshot(const Snapshot& snapshot, Bytes& out);
Result<Snapshot> decode_snapshot(ByteView record);

}  // namespace backstay::snapshot
