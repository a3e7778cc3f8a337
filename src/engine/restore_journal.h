// What restores that keep a safety snapshot did to this machine, so that they can be taken back
// (docs/adr/0024-restores-that-can-be-taken-back.md).
//
// One folder for each restore, named by its id, readable by its user alone. Nothing in it is ever
// changed: each step adds a file and is durable before what it announces is done.
//
//   lock       held while the restore runs; so what can be locked has ended, however that came
//   paths      zero-terminated: the target, and what the restore makes anew below it ("/a/b")
//   N.json     the record after step N, from 1; the last one counts
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "io/file.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

enum class RestoreStep : std::uint8_t {
  kSaving,     // nothing is changed yet
  kRestoring,  // what will change is in the safety snapshot
  kDone,
  kPartial,  // ended, and some files could not be restored
};

struct RestoreRecord {
  std::string id;              // 16 hexadecimal digits
  std::string rollback_of;     // the restore that this one takes back; empty: none
  std::string rolled_back_by;  // the one that took this one back whole; empty: none
  RestoreStep step = RestoreStep::kSaving;
  Timestamp started;
  std::optional<Timestamp> ended;
  std::string repository_id;  // hexadecimal
  std::string repository;     // where it was, for people
  std::string snapshot;       // hexadecimal: what was restored
  std::string safety;         // ... and the safety snapshot; empty before there is one
  std::uint64_t files_restored = 0;
  std::uint64_t files_deleted = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t errors = 0;
  // What --validate found: nothing when it was not asked for.
  std::optional<std::uint64_t> validated_bytes;
  std::uint64_t validation_errors = 0;
  // What --check-command ended with.
  std::optional<std::int64_t> check_exit;
};

// For programs and people; `interrupted` is what did not end and does not run.
enum class RestoreState : std::uint8_t {
  kRunning,
  kInterrupted,
  kNothingDone,  // ended before it changed anything
  kComplete,
  kPartial,
  kRolledBack,
};
[[nodiscard]] std::string_view to_string(RestoreState state);

// A record as it is written: one line of JSON. corruption for what is none.
[[nodiscard]] std::string encode_record(const RestoreRecord& record);
Result<RestoreRecord> decode_record(std::string_view text);
// "target\0/a\0/b/c\0". corruption for what does not end in a zero, and for places that are none.
struct RestorePaths {
  std::string target;
  std::vector<std::string> created;
};
Result<RestorePaths> decode_paths(std::string_view bytes);

// The journal of a restore that runs.
class RestoreJournal {
 public:
  // `folder` holds all of them, and is made when missing. Fills in the id.
  static Result<std::unique_ptr<RestoreJournal>> begin(const std::string& folder,
                                                       RestoreRecord record,
                                                       const RestorePaths& paths, Rng& rng);
  // The one of a restore that has ended, to say more of it; conflict while it runs.
  static Result<std::unique_ptr<RestoreJournal>> reopen(const std::string& folder,
                                                        const RestoreRecord& record);
  [[nodiscard]] const RestoreRecord& record() const { return record_; }
  // Durable when it returns.
  Result<void> write(RestoreRecord record);

 private:
  RestoreJournal(std::string folder, RestoreRecord record, io::Fd lock, std::uint64_t next)
      : folder_(std::move(folder)),
        record_(std::move(record)),
        lock_(std::move(lock)),
        next_(next) {}

  const std::string folder_;
  RestoreRecord record_;
  io::Fd lock_;
  std::uint64_t next_ = 1;
};

struct KnownRestore {
  RestoreRecord record;
  RestoreState state = RestoreState::kInterrupted;
  std::string target;
};
struct KnownRestores {
  std::vector<KnownRestore> restores;  // oldest first
  std::vector<std::pair<std::string, Error>> damaged;
};
// None where there is no such folder.
Result<KnownRestores> list_restores(const std::string& folder);
// By its id or at least four digits of it, or `latest`: the newest that is not rolled back.
Result<KnownRestore> find_restore(const std::string& folder, std::string_view which);
Result<RestorePaths> read_restore_paths(const std::string& folder, const std::string& id);

}  // namespace backstay::engine
