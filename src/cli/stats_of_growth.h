// What 'stats --growth' finds out: how fast the repository grows, and when its store is full.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/command.h"

namespace backstay::cli {

// `capacity_bytes`: what the repository may take, where its store cannot say; it counts before what
// the store says.
Result<ExitCode> show_growth(Context& context, std::optional<std::uint64_t> capacity_bytes);

}  // namespace backstay::cli
