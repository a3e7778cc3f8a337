#include "engine/restore/read_lease.h"

#include <utility>

#include "io/machine.h"

namespace backstay::engine::restoring {

Result<LeasePtr> take_read_lease(repo::Repository& repository, std::string operation,
                                 const Activity& activity) {
  repo::LeaseRecord record;
  record.operation = std::move(operation);
  record.host = io::hostname();
  record.user = io::user_name();
  record.process = io::process_id();
  Result<LeasePtr> lease = repository.take_lease(std::move(record), repo::LeaseUse::kReading);
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
