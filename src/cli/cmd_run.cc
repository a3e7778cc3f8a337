#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/console.h"
#include "cli/job_hook.h"
#include "cli/job_lock.h"
#include "cli/job_steps.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

using json::Json;

struct RunArguments {
  std::vector<std::string> jobs;
  bool all = false;
  bool dry_run = false;
};

enum class JobOutcome : std::uint8_t { kDone, kPartial, kFailed, kSkipped };

std::string_view outcome_word(JobOutcome outcome) {
  constexpr std::string_view kWords[] = {"done", "partial", "failed", "skipped"};
  return kWords[static_cast<std::size_t>(outcome)];
}

JobOutcome outcome_of(ExitCode code) {
  if (code == ExitCode::kDone) return JobOutcome::kDone;
  return code == ExitCode::kPartial ? JobOutcome::kPartial : JobOutcome::kFailed;
}

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

// What a person wants to know of a step; empty where its name says it all.
std::string text_of(const std::string& step, const Json& summary) {
  if (!summary.is_object()) return {};
  const auto number = [&](const char* key) { return summary.value(key, std::uint64_t{0}); };
  if (step == "backup") {
    const Json& id = summary["snapshot_id"];
    const std::string which =
        id.is_string() ? "snapshot " + id.get<std::string>().substr(0, 8) : "no snapshot";
    return fmt::format("{}, {}, {}, {} stored", which, counted(number("files_total"), "file"),
                       format_byte_size(number("bytes_total")),
                       format_byte_size(number("bytes_stored")));
  }
  if (step == "copy") return fmt::format("{} stored", format_byte_size(number("bytes_stored")));
  if (step == "forget")
    return fmt::format("{} removed, {} kept", counted(number("removed"), "snapshot"),
                       number("kept"));
  if (step == "prune") return fmt::format("{} freed", format_byte_size(number("bytes_freed")));
  return fmt::format("{} of damage found", counted(number("damages"), "object"));
}

// One job from its lock to its last hook.
class JobRun {
 public:
  JobRun(Context& context, const Job& job) : context_(context), job_(job) {}

  // The worst that came of it.
  ExitCode run() {
    const auto begun = std::chrono::steady_clock::now();
    const auto lock = try_lock_job(job_.file.path(), job_.profile.name);
    if (!lock) {
      fail_with(lock.error());
    } else if (!*lock) {
      tell_busy();
      skipped_ = true;
    } else {
      run_locked();
    }
    tell_job(seconds_since(begun));
    return code_;
  }
  [[nodiscard]] JobOutcome outcome() const {
    return skipped_ ? JobOutcome::kSkipped : outcome_of(code_);
  }
  // The worst, for the last line.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  [[nodiscard]] std::string named(std::string_view step) const {
    return fmt::format("{}: {}", job_.profile.name, step);
  }

  void fail_with(const Error& error) { note_end(exit_code_of(error.code()), &error); }

  void note_end(ExitCode code, const Error* error) {
    const ExitCode worst = worse_of(code_, code);
    if (error != nullptr && (!error_ || worst != code_)) error_ = error->clone();
    code_ = worst;
  }

  void tell_busy() {
    const Error error =
        Error(ErrorCode::kConflict, fmt::format("another run of {} is going on", job_.profile.name))
            .with_hint("This one was left out. When that one is done, the next can begin.");
    context_.console.error(error);
    note_end(ExitCode::kNoLease, &error);
  }

  void run_locked() {
    if (run_hook_of("before")) {
      for (const std::string& step : steps_of(context_.program, job_)) {
        if (context_.stop.stop_requested()) {
          fail_with(Error(ErrorCode::kCancelled, "interrupted"));
          break;
        }
        if (!run_one(step)) break;
      }
    }
    const bool failed = outcome_of(code_) == JobOutcome::kFailed;
    if (failed) run_hook_of("on_failure");
    run_hook_of("after");
  }

  // False where what comes after it must not be done.
  bool run_one(const std::string& step) {
    context_.console.detail(named(step));
    const StepEnd end = run_step(context_, job_, step);
    if (step == "backup" && end.summary.is_object() && end.summary["snapshot_id"].is_string())
      snapshot_ = end.summary["snapshot_id"].get<std::string>();
    if (end.error) {
      Error told = end.error->clone();
      context_.console.error(std::move(told).with_context(named(step)));
    }
    note_end(end.code, end.error ? &*end.error : nullptr);
    tell_step(step, end);
    return end.code == ExitCode::kDone || end.code == ExitCode::kPartial;
  }

  // False where it failed.
  bool run_hook_of(const std::string& which) {
    const config::Value* const hooks = job_.profile.value.find("hooks");
    const auto hook = read_hook(hooks != nullptr ? hooks->find(which) : nullptr);
    if (!hook) {
      tell_hook(which, {.output = {}, .error = hook.error().clone()}, 0);
      return false;
    }
    if (!*hook || job_.dry == Job::Dry::kYes) return true;
    const auto begun = std::chrono::steady_clock::now();
    const HookEnd end = run_hook(context_, **hook, named(which), variables_of(which));
    tell_hook(which, end, seconds_since(begun));
    return !end.error;
  }

  [[nodiscard]] Variables variables_of(const std::string& which) const {
    return {{"BACKSTAY_JOB", job_.profile.name},
            {"BACKSTAY_HOOK", which},
            {"BACKSTAY_RESULT",
             which == "before" ? "begins" : std::string(outcome_word(outcome_of(code_)))},
            {"BACKSTAY_EXIT_CODE", std::to_string(static_cast<int>(code_))},
            {"BACKSTAY_ERROR", error_ ? error_->describe() : std::string()},
            {"BACKSTAY_SNAPSHOT_ID", snapshot_}};
  }

  void tell_hook(const std::string& which, const HookEnd& end, double seconds) {
    ExitCode code = ExitCode::kDone;
    if (end.error) {
      code =
          end.error->code() == ErrorCode::kCancelled ? ExitCode::kInterrupted : ExitCode::kFailed;
      Error told = end.error->clone();
      context_.console.error(std::move(told).with_context(named("hook " + which)));
      note_end(code, &*end.error);
    }
    if (!context_.console.json()) return;
    Json line = line_of_part("hook", code, seconds);
    line["hook"] = which;
    json::put_text(line, "output", end.output);
    if (end.error) line["message"] = end.error->describe();
    context_.console.print_json_now(line);
  }

  [[nodiscard]] Json line_of_part(std::string_view type, ExitCode code, double seconds) const {
    Json line = json::line_of(type);
    line["job"] = job_.profile.name;
    line["outcome"] = outcome_word(outcome_of(code));
    line["exit_code"] = static_cast<int>(code);
    line["seconds"] = json::milliseconds_of(seconds);
    return line;
  }

  void tell_step(const std::string& step, const StepEnd& end) {
    Console& console = context_.console;
    if (console.json()) {
      Json line = line_of_part("step", end.code, end.seconds);
      line["step"] = step;
      line["summary"] = end.summary.is_object() ? end.summary : Json();
      if (end.error) line["message"] = end.error->describe();
      if (end.error && !end.error->hint().empty()) line["hint"] = end.error->hint();
      console.print_json_now(line);
      return;
    }
    if (context_.options.quiet) return;
    const std::string text = text_of(step, end.summary);
    console.print(fmt::format("{}: {}{}{} ({:.1f} s)\n", named(step),
                              outcome_word(outcome_of(end.code)), text.empty() ? "" : ": ", text,
                              end.seconds));
  }

  void tell_job(double seconds) {
    if (context_.console.json()) {
      Json line = line_of_part("job", code_, seconds);
      line["outcome"] = outcome_word(outcome());
      line["snapshot_id"] = nullptr;
      if (!snapshot_.empty()) line["snapshot_id"] = snapshot_;
      context_.console.print_json_now(line);
    } else if (!context_.options.quiet) {
      context_.console.print(
          fmt::format("{}: {} ({:.1f} s)\n", job_.profile.name, outcome_word(outcome()), seconds));
    }
  }

  Context& context_;
  const Job& job_;
  ExitCode code_ = ExitCode::kDone;
  bool skipped_ = false;
  std::optional<Error> error_;
  std::string snapshot_;
};

Result<std::vector<std::string>> chosen_jobs(const config::File& file,
                                             const RunArguments& arguments) {
  std::vector<std::string> all = file.names(config::ProfileKind::kJob);
  if (arguments.all && !arguments.jobs.empty())
    return fail(ErrorCode::kInvalidArgument, "say --all, or name the jobs");
  if (arguments.all) return all;
  if (arguments.jobs.empty()) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "JOB is missing")
            .with_hint(all.empty() ? fmt::format("{} has no jobs.", file.path())
                                   : fmt::format("There are: {}.", fmt::join(all, ", "))));
  }
  return arguments.jobs;
}

// All of them before the first begins: a slip in the last name must not be found at night.
Result<std::vector<config::Profile>> read_jobs(const config::File& file,
                                               const RunArguments& arguments) {
  std::vector<config::Profile> jobs;
  for (const std::string& name : TRY(chosen_jobs(file, arguments))) {
    config::Profile job = TRY(file.profile(name));
    if (job.kind != config::ProfileKind::kJob) {
      return std::unexpected(
          Error(ErrorCode::kInvalidArgument, fmt::format("{} is a profile, and no job", name))
              .with_hint("Jobs stand below 'jobs:'; they can extend profiles."));
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<ExitCode> run_jobs(Context& context, const RunArguments& arguments) {
  const auto begun = std::chrono::steady_clock::now();
  const config::File file =
      TRY(need_configuration(context.program, context.options, context.environment));
  const std::vector<config::Profile> jobs = TRY(read_jobs(file, arguments));
  const Job::Dry dry = arguments.dry_run ? Job::Dry::kYes : Job::Dry::kNo;
  ExitCode worst = ExitCode::kDone;
  std::optional<Error> error;
  std::array<std::size_t, 4> outcomes{};
  for (const config::Profile& profile : jobs) {
    if (context.stop.stop_requested()) break;
    const Job job{.file = file, .profile = profile, .dry = dry};
    JobRun run(context, job);
    const ExitCode code = run.run();
    ++outcomes[static_cast<std::size_t>(run.outcome())];
    if (run.error() && (!error || worse_of(worst, code) != worst)) error = run.error()->clone();
    worst = worse_of(worst, code);
  }
  if (context.stop.stop_requested()) worst = ExitCode::kInterrupted;
  if (!context.console.json()) return worst;
  Json line = json::line_of("summary");
  line["jobs"] = jobs.size();
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    line[std::string(outcome_word(static_cast<JobOutcome>(i)))] = outcomes[i];
  line["dry_run"] = arguments.dry_run;
  line["exit_code"] = static_cast<int>(worst);
  line["seconds"] = json::milliseconds_of(seconds_since(begun));
  context.console.print_json(line);
  if (error) context.console.print_json(error_line(*error));
  return worst;
}

}  // namespace

Command run_command() {
  const auto arguments = std::make_shared<RunArguments>();
  Argument jobs{.name = "JOB",
                .help = "of the configuration file",
                .arity = Arity::kAny,
                .set = [arguments](std::string_view name) -> Result<void> {
                  arguments->jobs.emplace_back(name);
                  return {};
                }};
  return {
      .name = "run",
      .summary = "Do what jobs of the configuration file say",
      .description =
          "For each job in turn: the hook 'before', then backup, copy, forget, prune and check, "
          "each where the job has a section for it, then 'on_failure' where something failed, and "
          "'after'. A step that fails ends the job; one that is done in part does not. What was "
          "given before the command holds for every step.\n\n"
          "Two runs of one job do not overlap: the second is left out, says so, and ends with "
          "exit code 11. The exit code is the worst of all: 0 done, then 3, 11, 1, 2, 10, 12, 13, "
          "130.\n\n"
          "Hooks have BACKSTAY_JOB, BACKSTAY_HOOK, BACKSTAY_RESULT (begins, done, partial, "
          "failed), BACKSTAY_EXIT_CODE, BACKSTAY_ERROR and BACKSTAY_SNAPSHOT_ID in their "
          "environment. docs/configuration.md describes jobs.",
      .examples = {{"backstay run home database", "Two jobs, one after the other"},
                   {"backstay run --all --dry-run", "What would be stored and forgotten"}},
      .arguments = {std::move(jobs)},
      .options = {flag("--all", arguments->all, "all jobs, in the order of the file"),
                  flag("-n,--dry-run", arguments->dry_run,
                       "change nothing, and run no hooks and no check")},
      .run = [arguments](Context& context) { return run_jobs(context, *arguments); }};
}

}  // namespace backstay::cli
