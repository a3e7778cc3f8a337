// The rules that say which snapshots stay, as options.
#pragma once

#include <vector>

#include "cli/option.h"
#include "policy/retention.h"

namespace backstay::cli {

// --keep-last, --keep-hourly ..., --keep-within ..., --keep-tag and --keep-within-size. `to`
// outlives the options.
void append_rule_options(std::vector<Option>& options, policy::Retention& to);
// Only --keep-within and its relatives, which count from the newest snapshot.
void append_span_options(std::vector<Option>& options, policy::Retention& to);

}  // namespace backstay::cli
