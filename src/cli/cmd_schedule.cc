#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/console.h"
#include "cli/duration.h"
#include "cli/unit_files.h"
#include "config/schedule.h"
#include "config/units.h"
#include "io/machine.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct ScheduleArguments {
  std::vector<std::string> jobs;
  bool user = false;
  bool system = false;
  bool cron = false;
  bool no_enable = false;
  bool dry_run = false;
  std::string unit_folder;
};

struct Planned {
  std::vector<config::PlannedJob> jobs;
  config::UnitWorld world;
};

Result<config::PlannedJob> plan_job(const config::File& file, const config::Profile& job,
                                    const config::Value& said) {
  const auto doing = [&] {
    return config::place_of(file.path(), said.mark) + ": schedule of " + job.name;
  };
  const config::Value* const description = job.value.find("description");
  config::PlannedJob planned{.name = job.name,
                             .description = description != nullptr ? description->text : "",
                             .schedule = TRY_DOING(doing(), config::read_schedule(said))};
  const std::string& delay = planned.schedule.random_delay;
  if (delay != "0") {
    const auto seconds = TRY_DOING(doing(), parse_duration(delay));
    planned.random_delay_seconds = static_cast<std::uint64_t>(seconds.count());
  }
  return planned;
}

// Lines that break would say something else to systemd and to cron.
Result<void> require_one_line(const std::string& text) {
  const bool breaks =
      std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!breaks) return {};
  return fail(ErrorCode::kInvalidArgument,
              "a control character in the path of the program, of the configuration file or in a "
              "variable has no place in a line of systemd or cron");
}

Result<config::UnitWorld> world_for(const Context& context, std::string config_path) {
  config::UnitWorld world{.program = {}, .config_path = std::move(config_path)};
  std::error_code error;
  world.program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return fail(ErrorCode::kInternal, "where this program lies cannot be found out");
  // Without them a service would have other caches than the same user on a terminal.
  for (const char* const name : {"HOME", "BACKSTAY_CACHE_DIR", "XDG_CACHE_HOME"}) {
    if (const auto value = context.environment.get(name))
      world.variables.emplace_back(name, *value);
  }
  TRY(require_one_line(world.program));
  TRY(require_one_line(world.config_path));
  for (const auto& [name, value] : world.variables) TRY(require_one_line(value));
  return world;
}

Result<Planned> plan(const Context& context, const std::vector<std::string>& only) {
  const config::File file =
      TRY(need_configuration(context.program, context.options, context.environment));
  Planned planned{.jobs = {}, .world = TRY(world_for(context, file.path()))};
  for (const std::string& name : only) TRY(file.profile(name));
  for (const std::string& name : file.names(config::ProfileKind::kJob)) {
    if (!only.empty() && std::ranges::find(only, name) == only.end()) continue;
    const config::Profile job = TRY(file.profile(name));
    const config::Value* const said = job.value.find("schedule");
    if (said != nullptr)
      planned.jobs.push_back(TRY(plan_job(file, job, *said)));
    else if (!only.empty())
      return fail(ErrorCode::kInvalidArgument, fmt::format("{} has no schedule", name));
  }
  return planned;
}

bool is_for_user(const ScheduleArguments& arguments) {
  return arguments.user || (!arguments.system && !io::is_superuser());
}

Result<std::string> unit_folder(const Context& context, const ScheduleArguments& arguments) {
  if (!arguments.unit_folder.empty())
    return snapshot::clean_path(arguments.unit_folder, TRY(io::current_directory()));
  if (!is_for_user(arguments)) return std::string("/etc/systemd/system");
  const auto given = context.environment.get("XDG_CONFIG_HOME");
  if (given && given->starts_with('/')) return *given + "/systemd/user";
  if (const auto home = context.environment.get("HOME")) return *home + "/.config/systemd/user";
  return fail(ErrorCode::kInvalidArgument, "no home folder is known");
}

std::string_view action_word(UnitAction action, bool dry_run) {
  switch (action) {
    case UnitAction::kWritten:
      return dry_run ? "would_write" : "written";
    case UnitAction::kRemoved:
      return dry_run ? "would_remove" : "removed";
    case UnitAction::kUnchanged:
      return "unchanged";
  }
  return "";
}

void tell_change(Console& console, const UnitChange& change, bool dry_run) {
  const std::string_view word = action_word(change.action, dry_run);
  if (console.json()) {
    json::Json line = json::line_of("unit");
    line["action"] = word;
    json::put_text(line, "path", change.file.path);
    console.print_json(line);
    return;
  }
  std::string text(word);
  std::ranges::replace(text, '_', ' ');
  console.print(fmt::format("{}: {}\n", change.file.path, text));
  if (dry_run && change.action == UnitAction::kWritten) console.print(change.file.text + "\n");
}

std::vector<std::string> systemctl_words(const ScheduleArguments& arguments,
                                         std::vector<std::string> words) {
  if (is_for_user(arguments)) words.insert(words.begin(), "--user");
  return words;
}

// Timers that went are stopped before their files go; nothing is lost where they did not run.
Result<void> disable(const Context& context, const ScheduleArguments& arguments,
                     const std::vector<UnitFile>& files) {
  for (const UnitFile& file : files) {
    if (!file.text.empty() || !file.path.ends_with(".timer")) continue;
    const std::string name = file.path.substr(file.path.rfind('/') + 1);
    TRY(run_systemctl(context, systemctl_words(arguments, {"disable", "--now", name})));
  }
  return {};
}

Result<void> enable(const Context& context, const ScheduleArguments& arguments,
                    const std::vector<UnitFile>& files) {
  TRY(run_systemctl(context, systemctl_words(arguments, {"daemon-reload"})));
  for (const UnitFile& file : files) {
    if (file.text.empty() || !file.path.ends_with(".timer")) continue;
    const std::string name = file.path.substr(file.path.rfind('/') + 1);
    TRY(run_systemctl(context, systemctl_words(arguments, {"enable", "--now", name})));
  }
  return {};
}

void tell_not_enabled(const Context& context, const Error& error) {
  context.console.warning(
      "the timers are not as the files say: " + error.describe(),
      "Run 'systemctl daemon-reload' and 'systemctl enable --now backstay-JOB.timer' (with --user "
      "for those of a user), or use --cron where there is no systemd.");
}

// `keep` is what there is to be afterwards.
Result<ExitCode> change_units(Context& context, const ScheduleArguments& arguments,
                              const Planned& keep) {
  const std::string folder = TRY(unit_folder(context, arguments));
  const std::vector<UnitFile> files = TRY(planned_units(folder, keep.jobs, keep.world));
  const bool live = !arguments.dry_run && !arguments.no_enable && arguments.unit_folder.empty();
  // What is not ours stops all of it before systemd is told anything.
  TRY(apply_units(files, keep.world, Writing::kOnlySay));
  ExitCode code = ExitCode::kDone;
  if (live) {
    if (const auto disabled = disable(context, arguments, files); !disabled) {
      tell_not_enabled(context, disabled.error());
      code = ExitCode::kPartial;
    }
  }
  const auto changes =
      TRY(apply_units(files, keep.world, arguments.dry_run ? Writing::kOnlySay : Writing::kDo));
  for (const UnitChange& change : changes) tell_change(context.console, change, arguments.dry_run);
  if (!live || code != ExitCode::kDone || files.empty()) return code;
  if (const auto enabled = enable(context, arguments, files); !enabled) {
    tell_not_enabled(context, enabled.error());
    return ExitCode::kPartial;
  }
  return code;
}

Result<ExitCode> change_crontab(Context& context, const ScheduleArguments& arguments,
                                const Planned& keep) {
  const std::string before = TRY(read_crontab(context));
  const std::string after = TRY(config::crontab_with(before, keep.jobs, keep.world));
  const bool changes = before != after;
  if (changes && !arguments.dry_run) TRY(write_crontab(context, after));
  Console& console = context.console;
  if (console.json()) {
    json::Json line = json::line_of("crontab");
    line["action"] =
        action_word(changes ? UnitAction::kWritten : UnitAction::kUnchanged, arguments.dry_run);
    line["jobs"] = keep.jobs.size();
    console.print_json(line);
  } else if (arguments.dry_run) {
    console.print(after);
  } else {
    console.print(fmt::format("the crontab {}\n", changes ? "is written" : "is as it should be"));
  }
  return ExitCode::kDone;
}

Result<ExitCode> change_plan(Context& context, const ScheduleArguments& arguments,
                             const Planned& keep) {
  if (arguments.user && arguments.system)
    return fail(ErrorCode::kInvalidArgument, "say one of --user and --system");
  return arguments.cron ? change_crontab(context, arguments, keep)
                        : change_units(context, arguments, keep);
}

Result<ExitCode> install_schedule(Context& context, const ScheduleArguments& arguments) {
  const Planned planned = TRY(plan(context, {}));
  if (planned.jobs.empty()) {
    context.console.warning("no job of " + planned.world.config_path + " has a schedule",
                            "Write for example: schedule: {every: daily, at: \"02:30\"}");
  }
  return change_plan(context, arguments, planned);
}

Result<ExitCode> remove_schedule(Context& context, const ScheduleArguments& arguments) {
  // Whatever the file says now, and whether it is there.
  const auto path = find_configuration(context.options, context.environment);
  if (!path) TRY(need_configuration(context.program, context.options, context.environment));
  const std::string whole = snapshot::clean_path(*path, TRY(io::current_directory()));
  return change_plan(context, arguments, {.jobs = {}, .world = TRY(world_for(context, whole))});
}

Result<ExitCode> show_schedule(Context& context, const ScheduleArguments& arguments) {
  const Planned planned = TRY(plan(context, arguments.jobs));
  const std::string folder = TRY(unit_folder(context, arguments));
  for (const config::PlannedJob& job : planned.jobs) {
    const auto changes =
        TRY(apply_units({{.path = folder + "/" + config::unit_name(job.name) + ".timer",
                          .text = config::timer_unit(job, planned.world)}},
                        planned.world, Writing::kOnlySay));
    const bool installed = changes.front().action == UnitAction::kUnchanged;
    const auto events = config::calendar_events(job.schedule);
    const std::string cron = config::cron_fields(job.schedule);
    if (context.console.json()) {
      json::Json line = json::line_of("schedule");
      line["job"] = job.name;
      line["calendar"] = events;
      line["cron"] = cron;
      line["random_delay_seconds"] = job.random_delay_seconds;
      line["timer_installed"] = installed;
      context.console.print_json(line);
    } else {
      context.console.print(fmt::format("{}: {} (cron: {}){}\n", job.name,
                                        fmt::join(events, " and "), cron,
                                        installed ? "" : ", no timer as it should be"));
    }
  }
  return ExitCode::kDone;
}

Option unit_dir_option(ScheduleArguments& to) {
  return place("--unit-dir", "DIR", to.unit_folder,
               "units lie there, and systemctl is not run (for packages)");
}

std::vector<Option> change_options(ScheduleArguments& to) {
  return {flag("--user", to.user, "timers of this user (the default, but for root)"),
          flag("--system", to.system, "timers of the machine (the default for root)"),
          flag("--cron", to.cron, "lines of this user's crontab instead of timers"),
          unit_dir_option(to),
          flag("--no-enable", to.no_enable, "write the files only, and do not run systemctl"),
          flag("-n,--dry-run", to.dry_run, "print what would be written, and change nothing")};
}

Command schedule_subcommand(std::string name, std::string summary, std::string description,
                            std::vector<Example> examples) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .description = std::move(description),
          .examples = std::move(examples)};
}

}  // namespace

Command schedule_command() {
  const auto arguments = std::make_shared<ScheduleArguments>();
  Command install = schedule_subcommand(
      "install", "Have jobs run when their schedule says",
      "Writes a timer and a service of systemd for every job of the configuration file that has a "
      "schedule, or lines between marks in the crontab, where all other lines stay. Run again it "
      "brings them up to date, and removes those of jobs that are gone. A run that was missed is "
      "made up for at the next start (systemd only).",
      {{"backstay --config /etc/backstay/config.yaml schedule install", "Timers of the machine"},
       {"backstay schedule install --cron --dry-run", "What the crontab would be"}});
  install.options = change_options(*arguments);
  install.run = [arguments](Context& context) { return install_schedule(context, *arguments); };
  Command remove =
      schedule_subcommand("remove", "Remove what install has written",
                          "All timers, services and lines of this configuration file.",
                          {{"backstay schedule remove", "Nothing runs by itself any more"}});
  remove.options = change_options(*arguments);
  remove.run = [arguments](Context& context) { return remove_schedule(context, *arguments); };
  Command show =
      schedule_subcommand("show", "Show when jobs run",
                          "As systemd and as cron have it, and whether the timer is there.",
                          {{"backstay schedule show", "All jobs that have a schedule"}});
  show.arguments = {{.name = "JOB",
                     .help = "all that have a schedule, by default",
                     .arity = Arity::kAny,
                     .set = [arguments](std::string_view name) -> Result<void> {
                       arguments->jobs.emplace_back(name);
                       return {};
                     }}};
  show.options = {flag("--user", arguments->user, "timers of this user"),
                  flag("--system", arguments->system, "timers of the machine"),
                  unit_dir_option(*arguments)};
  show.run = [arguments](Context& context) { return show_schedule(context, *arguments); };
  Command command = schedule_subcommand(
      "schedule", "Have jobs run by timers of systemd, or by cron",
      "For machines without a server. The times are those of 'schedule' of each job in the "
      "configuration file (docs/configuration.md).",
      {});
  command.commands.push_back(std::move(install));
  command.commands.push_back(std::move(remove));
  command.commands.push_back(std::move(show));
  return command;
}

}  // namespace backstay::cli
