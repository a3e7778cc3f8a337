#include "cli/unit_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/byte_size.h"
#include "base/try.h"
#include "io/file.h"
#include "io/process.h"

namespace backstay::cli {
namespace {

constexpr std::uint64_t kUnitBytesMax = kMiB;

// What there is; nothing for no file.
Result<std::optional<std::string>> text_of_file(const std::string& path) {
  auto bytes = io::read_file(path, kUnitBytesMax);
  if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return std::optional<std::string>();
  return std::optional<std::string>(std::string(as_text(TRY(std::move(bytes)))));
}

bool is_ours(std::string_view text, const config::UnitWorld& world) {
  return text.starts_with(config::unit_mark(world.config_path) + "\n");
}

struct Ended {
  int status = 0;
  std::string output;
};

Result<Ended> run_program(const Context& context, const std::vector<std::string>& argv,
                          std::string_view input) {
  const std::stop_token stop = context.stop.get_token();
  io::ChildProcess child = TRY(io::ChildProcess::start(argv, as_bytes(input),
                                                       {.variables = {},
                                                        .descriptors = {},
                                                        .group = io::ProcessGroup::kOurs,
                                                        .errors = io::StandardError::kWithOutput}));
  Ended ended;
  std::array<std::uint8_t, 4096> piece{};
  for (;;) {
    const std::size_t got = TRY(child.read_stdout(piece, stop));
    if (got == 0) break;
    ended.output += as_text(ByteView(piece).first(got));
    if (ended.output.size() > kUnitBytesMax)
      return fail(ErrorCode::kInvalidArgument, argv[0] + " prints too much");
  }
  ended.status = TRY(child.wait(stop));
  return ended;
}

std::unexpected<Error> failed(const std::vector<std::string>& argv, const Ended& ended) {
  std::string said = ended.output;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return fail(ErrorCode::kInternal, fmt::format("{} ended with status {}{}{}", argv[0],
                                                ended.status, said.empty() ? "" : ": ", said));
}

}  // namespace

Result<std::vector<UnitFile>> planned_units(const std::string& folder,
                                            const std::vector<config::PlannedJob>& jobs,
                                            const config::UnitWorld& world) {
  std::vector<UnitFile> files;
  std::set<std::string> wanted;
  const auto add = [&](const std::string& name, std::string text) {
    wanted.insert(name);
    files.push_back({.path = folder + "/" + name, .text = std::move(text)});
  };
  for (const config::PlannedJob& job : jobs) {
    const std::string name = config::unit_name(job.name);
    add(name + ".service", config::service_unit(job, world));
    add(name + ".timer", config::timer_unit(job, world));
  }
  auto there = io::list_directory(folder);
  if (!there && there.error().code() == ErrorCode::kNotFound) return files;
  std::vector<std::string> names = TRY(std::move(there));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const bool unit = name.ends_with(".service") || name.ends_with(".timer");
    if (!unit || !name.starts_with(config::unit_name("")) || wanted.contains(name)) continue;
    const auto text = TRY(text_of_file(folder + "/" + name));
    if (text && is_ours(*text, world)) files.push_back({.path = folder + "/" + name, .text = {}});
  }
  return files;
}

Result<std::vector<UnitChange>> apply_units(const std::vector<UnitFile>& files,
                                            const config::UnitWorld& world, Writing writing) {
  std::vector<UnitChange> changes;
  // All are looked at before the first is written.
  for (const UnitFile& file : files) {
    const auto there = TRY(text_of_file(file.path));
    if (there && !is_ours(*there, world)) {
      return std::unexpected(
          Error(ErrorCode::kConflict,
                file.path + " was not made by this command from this configuration file")
              .with_hint("Move it away, or give the job another name."));
    }
    UnitAction action = UnitAction::kWritten;
    if (file.text.empty())
      action = UnitAction::kRemoved;
    else if (there == file.text)
      action = UnitAction::kUnchanged;
    changes.push_back({.file = file, .action = action});
  }
  if (writing == Writing::kOnlySay) return changes;
  for (const UnitChange& change : changes) {
    const std::string& path = change.file.path;
    if (change.action == UnitAction::kRemoved) TRY(io::remove_file(path));
    if (change.action != UnitAction::kWritten) continue;
    TRY(io::make_directories(path.substr(0, path.rfind('/')), 0755));
    TRY_DOING("writing a unit",
              io::replace_file(path, as_bytes(std::string_view(change.file.text))));
  }
  return changes;
}

Result<std::string> read_crontab(const Context& context) {
  const std::vector<std::string> argv{"crontab", "-l"};
  Ended ended = TRY_DOING("reading the crontab", run_program(context, argv, {}));
  if (ended.status == 0) return std::move(ended.output);
  // cron has no other way to say it.
  if (ended.output.find("no crontab for") != std::string::npos) return std::string();
  return failed(argv, ended);
}

Result<void> write_crontab(const Context& context, const std::string& text) {
  const std::vector<std::string> argv{"crontab", "-"};
  const Ended ended = TRY_DOING("writing the crontab", run_program(context, argv, text));
  if (ended.status != 0) return failed(argv, ended);
  return {};
}

Result<void> run_systemctl(const Context& context, const std::vector<std::string>& words) {
  std::vector<std::string> argv{"systemctl"};
  argv.insert(argv.end(), words.begin(), words.end());
  const Ended ended = TRY(run_program(context, argv, {}));
  if (ended.status != 0) return failed(argv, ended);
  return {};
}

}  // namespace backstay::cli
