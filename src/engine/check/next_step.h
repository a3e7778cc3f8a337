// What to do about a damage.
#pragma once

#include <string>

#include "engine/check.h"

namespace backstay::engine::check_stages {

// One or two sentences for people; docs/repair.md says more.
[[nodiscard]] std::string next_step(const Damage& damage);

}  // namespace backstay::engine::check_stages
