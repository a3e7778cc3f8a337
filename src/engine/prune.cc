#include "engine/prune.h"

#include "engine/prune/prune_run.h"

namespace backstay::engine {

Result<PruneReport> prune(repo::Repository& repository, const PruneOptions& options,
                          Activity& activity) {
  return prune_stages::PruneRun(repository, options, activity).run();
}

}  // namespace backstay::engine
