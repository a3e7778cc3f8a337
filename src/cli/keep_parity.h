// What commands do at their end that store packs, where the repository asks for parity.
#pragma once

#include "cli/command.h"
#include "cli/running.h"
#include "engine/parity.h"
#include "repo/repository.h"

namespace backstay::cli {

[[nodiscard]] engine::ParityOptions parity_options();

// What the command did stands whether this succeeds or not: trouble is a warning.
void keep_parity_after(Context& context, const repo::Repository& repository, Running& running);

}  // namespace backstay::cli
