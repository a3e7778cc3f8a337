#include "engine/restore/read_lease.h"

#include "io/machine.h"

namespace backstay::engine::restoring {

Result<LeasePtr> take_read_lease(repo::Repository& repository, std::string_view operation,
                                 const Activity& activity) {
  Result<LeasePtr> lease =
      repository.take_lease(repo::lease_of_this_process(operation, io::hostname(), io::user_name()),
                            repo::LeaseUse::kReading);
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
