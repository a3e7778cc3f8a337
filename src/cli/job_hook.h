// Programs of the user that 'run' starts around the steps of a job.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "config/value.h"

namespace backstay::cli {

struct Hook {
  std::vector<std::string> argv;
  std::chrono::seconds timeout{600};
};
// Of a value whose form is right. A text is for /bin/sh -c. Nothing where there is no value.
Result<std::optional<Hook>> read_hook(const config::Value* value);

struct HookEnd {
  std::string output;          // the last 4 KiB of what it printed, standard error too
  std::optional<Error> error;  // it could not be started, did not end in time, or failed
};
using Variables = std::vector<std::pair<std::string, std::string>>;
// Shows what it prints as messages. It has a process group of its own, which is ended with it when
// its time is up or somebody interrupts; a hook that begins after that runs to its end.
[[nodiscard]] HookEnd run_hook(Context& context, const Hook& hook, const std::string& name,
                               const Variables& variables);

}  // namespace backstay::cli
