// What prune shows, and the options that say how far it goes; `forget --prune` has both, too.
#pragma once

#include <string_view>
#include <vector>

#include "cli/command.h"
#include "engine/prune.h"

namespace backstay::cli {

// `type` is that of the JSON line with the sum.
Result<ExitCode> prune_and_show(Context& context, repo::Repository& repository,
                                const engine::PruneOptions& options, std::string_view type);

void append_prune_options(std::vector<Option>& options, engine::PruneOptions& to);

}  // namespace backstay::cli
