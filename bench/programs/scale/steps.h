// The steps that bench/scale measures, each on a repository that the first one made.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "scale/simulated_source.h"

namespace backstay::bench {

struct ScaleOptions {
  std::string step;  // one of those below
  Corpus corpus;
  std::uint64_t file = 0;  // number of the entry that is given back; 0: the middle one
  std::string repository;  // folder
  std::string cache;       // folder; empty for none
  std::string target;      // folder that restore makes
  std::uint64_t kept_data_bytes = UINT64_MAX;  // data packs beyond that many bytes are holes
  std::uint64_t memory_limit = 0;
};

struct ScaleResult {
  std::uint64_t entries = 0;  // that the step dealt with
  std::uint64_t bytes = 0;    // of file contents
};

// "first" makes the repository and backs up, "again" backs up once more, "check" checks the
// structure, "list" reads every entry of the snapshot, "folder" those of one file's folder,
// "dump" and "restore" give back that file, and compare it with what went in. "churn" backs up with
// one file in a hundred changed, "plan" plans a prune that keeps only the last snapshot, and
// "prune" forgets the others and prunes; these two give the chunks of the index and the bytes that
// are freed.
Result<ScaleResult> run_step(const ScaleOptions& options);

}  // namespace backstay::bench
