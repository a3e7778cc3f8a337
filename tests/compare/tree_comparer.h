// Walks two trees side by side and has every pair of entries compared.
#pragma once

#include <cstdio>
#include <set>
#include <string>

#include "base/error.h"
#include "compare/entry_comparer.h"
#include "compare/report.h"

namespace backstay::compare {

struct Options {
  std::string left;
  std::string right;
  std::set<What> ignored;
  std::set<std::string> excluded;  // paths below the left tree, as absolute paths or relative to it
  Ownership ownership = Ownership::kCompare;
  std::size_t threads = 2;
};

// Prints differences and a summary to `out`. Fails when the trees themselves cannot be opened.
// Memory grows with the names of the folders on one branch and with the number of hard linked
// inodes.
Result<Totals> compare_trees(const Options& options, std::FILE* out);

}  // namespace backstay::compare
