// What 'stats --copies' finds out about the places of a set, and the digits 3-2-1-1-0.
#pragma once

#include "cli/command.h"

namespace backstay::cli {

// invalid_argument where the repository is no set. kDone whatever the digits are: they are an
// answer, and no failure.
Result<ExitCode> show_copies(Context& context);

}  // namespace backstay::cli
