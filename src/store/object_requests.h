// Backstay's own protocol (docs/backends/store-server.md), as far as it is about one repository.
#pragma once

#include <string_view>

#include "base/error.h"
#include "store/asked.h"

namespace backstay::store {

// `below`: what follows the repository in the path, still encoded ("objects/data/3f/..."). A
// failure is what is to be answered.
Result<void> answer_request(const Asked& asked, std::string_view below);

}  // namespace backstay::store
