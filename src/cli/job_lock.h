// One run of a job at a time, on this machine and for this user.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "io/file.h"

namespace backstay::cli {

// The lock goes with what is returned, and with the process. Nothing while another run has it. The
// place does not depend on the environment, which is another one under cron: /run/backstay for the
// superuser, /tmp/backstay-NUMBER for others.
Result<std::optional<io::Fd>> try_lock_job(const std::string& config_path, const std::string& job);

}  // namespace backstay::cli
