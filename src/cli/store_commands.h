// The parts of 'backstay store'.
#pragma once

#include "cli/command.h"

namespace backstay::cli {

Command store_token_command();

}  // namespace backstay::cli
