// A word about stores in which the second of two creates takes the place of the first.
#pragma once

#include "cli/console.h"
#include "repo/repository.h"

namespace backstay::cli {

// Nothing where of two creates one succeeds.
void warn_of_overwriting(Console& console, const repo::Repository& repository);

}  // namespace backstay::cli
