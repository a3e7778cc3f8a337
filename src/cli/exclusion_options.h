// What of the paths is left out: options that all commands share that read files.
#pragma once

#include <vector>

#include "cli/option.h"
#include "cli/source_paths.h"
#include "source/file_source.h"

namespace backstay::cli {

// --exclude and its relatives, --exclude-caches, --exclude-if-present, --exclude-larger-than and
// --one-file-system. The targets outlive the options.
void append_exclusion_options(std::vector<Option>& options, Patterns& excludes,
                              source::FileSourceOptions& source);

}  // namespace backstay::cli
