// Leases: what says that an operation is running (docs/format.md section 8.3). Nobody waits for one
// in order to back up; they tell a collection which packs may still be referred to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/rng.h"
#include "repo/object.h"

namespace backstay::repo {

using LeaseId = StrongId<struct LeaseIdTag, 16>;

struct LeaseRecord {
  LeaseId id;
  std::uint64_t sequence = 0;
  std::string operation;  // "backup", "restore", "check", ...
  std::uint64_t generation = 1;
  std::string host;
  std::string user;
  std::uint64_t process = 0;
  Timestamp started;  // by the client's clock: display only
  std::uint64_t renew_seconds = 300;
};
// Of an operation that this process begins.
[[nodiscard]] LeaseRecord lease_of_this_process(std::string_view operation, std::string host,
                                                std::string user);
[[nodiscard]] Bytes encode_lease(const LeaseRecord& lease, const RepositoryId& repository);
Result<LeaseRecord> decode_lease(ByteView stored, const RepositoryId& repository);

// After its last renewal, by the store's clock.
[[nodiscard]] std::int64_t seconds_until_dead(const LeaseRecord& lease);

// Held while it lives. Destruction removes it without a report, unless it was abandoned.
class Lease {
 public:
  // By a thread of its own, or by whoever holds it calling renew().
  enum class Renewal : std::uint8_t { kByThread, kByHolder };
  static Result<std::unique_ptr<Lease>> acquire(backend::Backend& store,
                                                const RepositoryId& repository, LeaseRecord record,
                                                Rng& rng, Renewal renewal = Renewal::kByThread);
  ~Lease();
  // conflict when the lease is lost, or could not be renewed for so long that others may take it
  // for dead. Asks nobody: an early word, not a promise.
  Result<void> verify() const;
  // With kByHolder only. conflict when the lease is lost: somebody took it for dead and ended it.
  Result<void> renew();
  // Asks the store: conflict when the lease was ended.
  Result<void> ask() const;
  // After a snapshot was put: conflict when the lease was ended, and then that snapshot may not
  // count (docs/format.md section 8.3). Ends the renewing: release() comes next.
  Result<void> confirm();
  Result<void> release();
  // Leaves it in the store for a collection to end, and ends the renewing: for an operation whose
  // last change may yet take effect. release() does nothing any more.
  void abandon();
  [[nodiscard]] const LeaseId& id() const;

 private:
  struct State;
  explicit Lease(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ListedLease {
  LeaseRecord record;            // of its newest object
  std::int64_t age_seconds = 0;  // since the last renewal, by the store's clock
  bool alive = true;             // false too when it was ended
  bool ended = false;            // by somebody else
  // Its last renewal is dated ahead of the store's clock, which was set back since. Its age counts
  // from when somebody noted its newest object (sight_leases).
  bool ahead = false;
  Timestamp renewed;                   // by the store's clock
  Timestamp taken;                     // by the store's clock
  std::vector<std::uint64_t> numbers;  // of its objects, ascending; perhaps only its end is left
};
// A lease that is damaged is listed as one of generation 0.
Result<std::vector<ListedLease>> list_leases(backend::Backend& store,
                                             const RepositoryId& repository);

// Ends a dead lease, durably: its owner, should he live, finds out before he can commit anything.
// False when it was renewed meanwhile.
Result<bool> end_lease(backend::Backend& store, const RepositoryId& repository,
                       const ListedLease& lease);
// Notes, in the store, of leases that are dated ahead which object was their newest: those that are
// not renewed from then on are dead in time, whatever their dates say. Drops notes that have no
// use any more. `leases` is what list_leases() gave.
Result<void> sight_leases(backend::Backend& store, const RepositoryId& repository,
                          const std::vector<ListedLease>& leases);
// Removes what is left of a lease that was ended, once a generation object names it as ended.
Result<void> remove_ended_lease(backend::Backend& store, const ListedLease& lease);

}  // namespace backstay::repo
