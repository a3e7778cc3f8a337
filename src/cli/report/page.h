// The page of 'report': one file of HTML that needs nothing else.
#pragma once

#include <string>

#include "cli/report/facts.h"

namespace backstay::cli::report {

// No script and no link to anywhere; names out of the repository are text and nothing else.
[[nodiscard]] std::string page_of(const Facts& facts);

}  // namespace backstay::cli::report
