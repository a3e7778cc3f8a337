// What is said of stages, as text and as JSON.
#pragma once

#include <string>

#include "cli/command.h"
#include "cli/stage.h"
#include "engine/stage.h"

namespace backstay::cli {

// Of one snapshot, sent or not.
void tell_sent(const Context& context, const engine::SentSnapshot& one);
void tell_stage(const Context& context, const Stage& stage, const WaitingInStage& waiting);

}  // namespace backstay::cli
