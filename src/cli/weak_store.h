// A word about stores that do not promise all that collections need.
#pragma once

#include "cli/console.h"
#include "repo/repository.h"

namespace backstay::cli {

// Nothing where of two creates one succeeds and lists have what is there.
void warn_of_weakness(Console& console, const repo::Repository& repository);

}  // namespace backstay::cli
