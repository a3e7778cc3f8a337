// Notes about a snapshot and a forget at the same time: either the forget sees the note, or who
// wrote it sees that the snapshot is gone (docs/format.md section 8.8).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "repo/lease.h"
#include "repo/repository.h"

namespace backstay::engine {

inline constexpr std::string_view kForgetOperation = "forget";

// A forget that was killed is dead after three times this: its lease is renewed more often than
// others, so that nobody waits long.
inline constexpr std::uint64_t kForgetRenewSeconds = 20;

struct ForgetWait {
  std::chrono::milliseconds limit{75'000};  // longer than a dead one can last
  std::chrono::milliseconds pause{50};
  std::stop_token stop;
  std::function<void(const std::string& message)> note;  // said once when there is one
};
// After notes were made durable: waits until every forget that is under way now has ended.
// conflict when one is still there at the limit; cancelled.
Result<void> outlast_forgets(repo::Repository& repository, const ForgetWait& wait);

// A note that was just stored, and the snapshot that it is about.
struct FreshNote {
  snapshot::SnapshotId snapshot;
  std::string object;
};
// The whole of it: waits, and takes back the notes of snapshots that are gone: not_found, which
// names them. `what` is what was stored, for messages: "hold".
Result<void> settle_notes(repo::Repository& repository, const std::vector<FreshNote>& notes,
                          std::string_view what, const ForgetWait& wait);

// Right before a snapshot goes: asks once more for the lease, where there is one, and whether there
// are other holds on it than those that are known by their objects. What was stored while this
// machine slept, or while there was no lease, is seen here; what remains is the time from this
// answer to that of the removal.
Result<bool> held_meanwhile(repo::Repository& repository, const snapshot::SnapshotId& id,
                            const repo::Lease* lease, const std::set<std::string>& known);

}  // namespace backstay::engine
