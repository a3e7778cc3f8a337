// The packs that are there against those that the index names (docs/format.md sections 8.5, 8.6).
// The price is one listing of packs, whatever the number of chunks.
#pragma once

#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "repo/index.h"

namespace backstay::repo {

// All packs, as the store lists them.
using ListedPacks = std::unordered_map<ObjectId, Index::Pack>;
Result<ListedPacks> list_packs(backend::Backend& store);

struct PackSurvey {
  std::vector<ObjectId> lost;                 // in the index, but not there, or of another length
  std::vector<ObjectId> marked;               // a check found them damaged
  std::vector<Index::Pack> strays;            // there, whole by what is known, and in no run
  std::vector<Index::Pack> marked_strays;     // there, marked, and in no run: the last choice
  std::vector<Index::Pack> condemned_strays;  // there for now, and in no run; for readers, as those
};
// Of packs that were listed after the index was loaded: what it names was durable before.
Result<PackSurvey> survey_packs(backend::Backend& store, const Index& index, ListedPacks listed);
// The same of all packs that are there now.
Result<PackSurvey> survey_packs(backend::Backend& store, const Index& index);

}  // namespace backstay::repo
