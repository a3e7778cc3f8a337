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
[[nodiscard]] Bytes encode_lease(const LeaseRecord& lease, const RepositoryId& repository);
Result<LeaseRecord> decode_lease(ByteView stored, const RepositoryId& repository);

// Held while it lives: renewed by a thread of its own. Destruction removes it without a report.
class Lease {
 public:
  static Result<std::unique_ptr<Lease>> acquire(backend::Backend& store,
                                                const RepositoryId& repository, LeaseRecord record,
                                                Rng& rng);
  ~Lease();
  // conflict when the lease could not be renewed for so long that others may take it for dead.
  Result<void> verify() const;
  Result<void> release();
  [[nodiscard]] const LeaseId& id() const;

 private:
  struct State;
  explicit Lease(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ListedLease {
  LeaseRecord record;
  std::int64_t age_seconds = 0;  // since the last renewal, by the store's clock
  bool alive = true;
};
// A lease that is damaged is listed as one of generation 0.
Result<std::vector<ListedLease>> list_leases(backend::Backend& store,
                                             const RepositoryId& repository);

}  // namespace backstay::repo
