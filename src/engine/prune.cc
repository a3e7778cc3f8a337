#include "engine/prune.h"

#include "base/try.h"
#include "engine/parity.h"
#include "engine/prune/prune_run.h"
#include "io/machine.h"

namespace backstay::engine {

// What was repacked, and groups that became thin.
static void keep_parity_after(repo::Repository& repository, Activity& activity,
                              ParityTraffic& traffic) {
  ParityOptions parity;
  parity.author = {.host = io::hostname(), .user = io::user_name()};
  const auto kept = keep_parity(parity_place(repository), parity, activity);
  if (kept) {
    traffic.bytes_read += kept->bytes_read;
    traffic.bytes_written += kept->bytes_written;
    return;
  }
  activity.report("parity", kept.error().clone().with_hint(
                                "What was freed is freed. The next backup or prune covers what is "
                                "not covered by parity yet."));
}

Result<PruneReport> prune(repo::Repository& repository, const PruneOptions& options,
                          Activity& activity) {
  PruneReport report = TRY(prune_stages::PruneRun(repository, options, activity).run());
  if (!options.dry_run) keep_parity_after(repository, activity, report.parity);
  return report;
}

}  // namespace backstay::engine
