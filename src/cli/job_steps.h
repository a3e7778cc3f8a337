// The steps of a job, each a command of the program with the job as its profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "config/file.h"
#include "json/json.h"

namespace backstay::cli {

// A job of the file that is being run.
struct Job {
  const config::File& file;
  const config::Profile& profile;
  enum class Dry : std::uint8_t { kNo, kYes } dry = Dry::kNo;
};

// The commands that the job has sections for, in the order in which they are done: backup, copy,
// forget, prune, check. Only those that store nothing, or can say what they would do, when dry.
[[nodiscard]] std::vector<std::string> steps_of(const Program& program, const Job& job);

struct StepEnd {
  ExitCode code = ExitCode::kFailed;
  std::optional<Error> error;  // that ended it
  json::Json summary;          // the command's last line; null where it came to none
  double seconds = 0;
};
// With the options that 'run' was given itself. Trouble on the way is told as ever.
[[nodiscard]] StepEnd run_step(Context& context, const Job& job, const std::string& step);

// In this order: done, in part, no lease, failed, wrong usage, no repository, wrong key, damage,
// interrupted.
[[nodiscard]] ExitCode worse_of(ExitCode one, ExitCode other);

}  // namespace backstay::cli
