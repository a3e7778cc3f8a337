// Parity objects, and what parity can do about other damage (docs/format.md section 10.1).
#pragma once

#include <functional>
#include <vector>

#include "engine/check.h"
#include "engine/check/object_check.h"
#include "engine/parity.h"

namespace backstay::engine::check_stages {

enum class ParityDepth : std::uint8_t { kDirectory, kWhole };

// Calls `judge` with what reading each parity object gave.
using JudgeObject = std::function<Result<void>(const Result<void>&, const StoredObject&)>;
Result<void> check_parity_objects(backend::Backend& store, const std::vector<StoredObject>& objects,
                                  ParityDepth depth, const std::stop_token& stop,
                                  const JudgeObject& judge);

// Says of what can be brought back that it can. A store that does not answer is no failure here.
void advise_parity(const ParityPlace& place, std::vector<Damage>& damages, Activity& activity);

}  // namespace backstay::engine::check_stages
