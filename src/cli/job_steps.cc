#include "cli/job_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/mutex.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/parser.h"
#include "cli/place_set.h"
#include "cli/profile_settings.h"
#include "io/priority.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

constexpr std::array<const char*, 5> kSteps{"backup", "copy", "forget", "prune", "check"};
constexpr const char* kDryRun = "--dry-run";

// The last line of a command that sums up, from whatever thread it comes.
class SummaryLine {
 public:
  void take(const json::Json& line) EXCLUDES(mutex_) {
    if (line.value("type", "") != "summary") return;
    const MutexLock lock(mutex_);
    line_ = line;
  }
  json::Json get() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return line_;
  }

 private:
  Mutex mutex_;
  json::Json line_ GUARDED_BY(mutex_);
};

bool has_option(const Program& program, const std::string& step, std::string_view name) {
  const auto command = std::ranges::find(program.commands, step, &Command::name);
  return command != program.commands.end() &&
         std::ranges::any_of(command->options,
                             [&](const Option& option) { return option.long_name() == name; });
}

// What stands on the command line of the step.
std::vector<std::string> words_of(const Program& program, const Job& job,
                                  const std::vector<std::string>& given, const std::string& step) {
  std::vector<std::string> words = given;
  words.push_back(step);
  if (job.dry == Job::Dry::kYes && has_option(program, step, kDryRun)) words.emplace_back(kDryRun);
  return words;
}

Result<ExitCode> run_quietly(Context& context, const Command& command) {
  if (context.options.nice) {
    if (const auto lowered = io::lower_priority(); !lowered)
      context.console.warning(lowered.error().describe());
  }
  return means_set(context.options) ? run_in_set(context, command.run) : command.run(context);
}

Result<ExitCode> parse_and_run(Context& context, const Job& job, const std::string& step,
                               SummaryLine& summary) {
  GlobalOptions options;
  const Program program = make_program(options);
  ProfileEnvironment environment(context.environment);
  environment.tell_to([&](const std::string& message) { context.console.warning(message); });
  ProfileReader reader(job.file, job.profile, environment, options);
  const auto settings = [&](const std::vector<const Command*>& commands,
                            const AlreadyGiven& given) {
    return reader.read(program, commands, given);
  };
  Parsed parsed = parse(program, words_of(program, job, context.options.given, step),
                        context.environment, settings);
  if (parsed.error) return std::unexpected(std::move(*parsed.error));
  Console::Streams streams = context.console.streams();
  streams.on_json = [&](const json::Json& line) { summary.take(line); };
  Console console(streams, context.clock, context.stop);
  Console::Style style = context.console.style();
  style.json = true;
  console.set_style(style);
  Context inner{program, options, environment, console, context.clock, context.rng, context.stop};
  Result<ExitCode> ended = run_quietly(inner, *parsed.command());
  // Where a step prints text, there it stands before what 'run' says.
  TRY(console.flush());
  return ended;
}

int severity_of(ExitCode code) {
  constexpr std::array kOrder{ExitCode::kDone,     ExitCode::kPartial,    ExitCode::kNoLease,
                              ExitCode::kFailed,   ExitCode::kWrongUsage, ExitCode::kNoRepository,
                              ExitCode::kWrongKey, ExitCode::kDamage,     ExitCode::kInterrupted};
  return static_cast<int>(std::ranges::find(kOrder, code) - kOrder.begin());
}

}  // namespace

std::vector<std::string> steps_of(const Program& program, const Job& job) {
  std::vector<std::string> steps;
  for (const char* const step : kSteps) {
    const config::Value* const section = job.profile.value.find(step);
    const bool wanted = section != nullptr && section->kind != config::Value::Kind::kText;
    const bool safe = job.dry == Job::Dry::kNo || has_option(program, step, kDryRun);
    if (wanted && safe) steps.emplace_back(step);
  }
  return steps;
}

StepEnd run_step(Context& context, const Job& job, const std::string& step) {
  const auto begun = std::chrono::steady_clock::now();
  SummaryLine summary;
  StepEnd end;
  Result<ExitCode> ended = parse_and_run(context, job, step, summary);
  if (ended) {
    end.code = *ended;
  } else {
    end.code = exit_code_of(ended.error().code());
    end.error = std::move(ended).error();
  }
  end.summary = summary.get();
  end.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return end;
}

ExitCode worse_of(ExitCode one, ExitCode other) {
  return severity_of(one) < severity_of(other) ? other : one;
}

}  // namespace backstay::cli
