// The names in a repository in pages: sorted by their components, so that a page begins where the
// one before ended, and only folders that it touches are read.
#pragma once

#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "store/repository.h"

namespace backstay::store {

struct Listing {
  std::vector<backend::ObjectInfo> objects;
  bool last = false;  // nothing comes after these
};

// At most `limit` objects below `prefix` that come after `after` (empty: from the first on).
Result<Listing> list_in_order(const Repository& repository, std::string_view prefix,
                              std::string_view after, std::size_t limit);

}  // namespace backstay::store
