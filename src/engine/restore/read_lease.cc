#include "engine/restore/read_lease.h"

#include <utility>

#include "io/machine.h"

namespace backstay::engine::restoring {

Result<LeasePtr> take_read_lease(repo::Repository& repository, std::string operation,
                                 const Activity& activity) {
  repo::LeaseRecord record;
  record.operation = std::move(operation);
  record.generation = repository.generation();
  record.host = io::hostname();
  record.user = io::user_name();
  record.process = io::process_id();
  record.started = repository.world().clock.now();
  Result<LeasePtr> lease = repo::Lease::acquire(repository.store(), repository.config().id,
                                                std::move(record), repository.world().rng);
  if (lease) return lease;
  switch (lease.error().code()) {
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnsupported:
    case ErrorCode::kNoSpace:
      if (activity.note) activity.note("reading without a lease: " + lease.error().describe());
      return LeasePtr();
    default:
      return lease;
  }
}

}  // namespace backstay::engine::restoring
