// What stores in the network may ask of the command line's world.
#pragma once

#include "backend/store_world.h"
#include "cli/command.h"

namespace backstay::cli {

// `context` outlives the store. Secrets come from the environment, never from options, which every
// user of the machine can read.
[[nodiscard]] backend::StoreWorld store_world(const Context& context);

}  // namespace backstay::cli
