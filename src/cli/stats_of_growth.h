// What 'stats --growth' finds out: how fast the repository grows, and when its store is full.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cli/command.h"
#include "policy/growth.h"
#include "repo/repository.h"

namespace backstay::cli {

struct GrowthFacts {
  policy::Growth growth = {};
  std::uint64_t stored_bytes = 0;  // all objects
  backend::Space space = {};
  std::optional<double> days_to_full = {};
  std::string unknown_because = {};  // where there are no days
};
Result<GrowthFacts> growth_facts(repo::Repository& repository,
                                 const std::vector<repo::StoredSnapshot>& snapshots,
                                 std::optional<std::uint64_t> capacity_bytes);

// `capacity_bytes`: what the repository may take, where its store cannot say; it counts before what
// the store says.
Result<ExitCode> show_growth(Context& context, std::optional<std::uint64_t> capacity_bytes);

}  // namespace backstay::cli
