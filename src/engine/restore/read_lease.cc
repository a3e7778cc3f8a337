#include "engine/restore/read_lease.h"

#include "base/try.h"
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

Result<void> require_snapshot(repo::Repository& repository, const snapshot::SnapshotId& id) {
  const auto found = repository.store().head(
      repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes}));
  if (found) return {};
  if (found.error().code() != ErrorCode::kNotFound)
    return std::unexpected(found.error().clone().with_context("looking for the snapshot again"));
  return std::unexpected(
      Error(ErrorCode::kNotFound, "snapshot " + id.short_hex() + " was forgotten a moment ago")
          .with_hint("'backstay snapshots' shows what is there."));
}

Result<void> require_lease(const LeasePtr& lease) {
  if (lease == nullptr) return {};
  TRY_DOING("making sure that nothing was freed meanwhile", lease->ask());
  return {};
}

}  // namespace backstay::engine::restoring
