// What 'report' tells: gathered first, drawn afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/stats_of_growth.h"
#include "engine/copies.h"
#include "engine/diff.h"
#include "engine/space_use.h"
#include "repo/repository.h"

namespace backstay::cli::report {

// The sum of what was stored, and the sizes of the newest snapshots of all sources, at a moment.
struct Point {
  Timestamp time;
  std::uint64_t stored_sum = 0;
  std::uint64_t source_bytes = 0;
};

// One source: a host and its paths.
struct SourceFacts {
  std::string host;
  std::vector<std::string> paths;
  std::size_t snapshots = 0;
  Timestamp oldest;
  repo::StoredSnapshot newest;
  std::vector<engine::FolderUse> folders;     // of the newest, those first that take most
  std::optional<engine::DiffReport> changed;  // since the one before it; nothing: there is none
  std::vector<engine::Change> largest;        // of those changes, by size
};

struct Facts {
  std::string place;
  std::string repository;  // id
  std::string encryption;
  Timestamp now;
  std::size_t snapshots = 0;
  std::size_t damaged = 0;
  std::vector<Point> points;  // oldest first
  std::vector<SourceFacts> sources;
  GrowthFacts growth;
  engine::Holdings holdings;
  std::uint64_t verified_within_days = 0;
};

struct Asked {
  std::uint64_t verified_within_days = 30;
  std::size_t rows_max = 12;  // folders and changes of each source
};
Result<Facts> gather(Context& context, const Asked& asked, engine::Activity& activity);

}  // namespace backstay::cli::report
