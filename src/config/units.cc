#include "config/units.h"

#include <fmt/format.h>

#include "base/try.h"

namespace backstay::config {
namespace {

// One line, and none of systemd's specifiers.
std::string for_unit(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%') out += '%';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

// One word of a command line of systemd (systemd.service(5), "Command lines").
std::string unit_word(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || c == '$') out += c;
    out += c;
  }
  return out + "\"";
}

// One word of a line for the shell in a crontab, where '%' ends the command.
std::string cron_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c == '%')
      out += "'\\%'";
    else
      out += c;
  }
  return out + "'";
}

std::string mark_line(std::string_view which, std::string_view config_path) {
  return fmt::format("# {} backstay {}", which, config_path);
}

// Where the line begins that is exactly this; npos where there is none.
std::size_t find_line(std::string_view text, std::string_view line, std::size_t from) {
  for (std::size_t at = text.find(line, from); at != text.npos; at = text.find(line, at + 1)) {
    const std::size_t end = at + line.size();
    const bool begins = at == 0 || text[at - 1] == '\n';
    if (begins && (end == text.size() || text[end] == '\n')) return at;
  }
  return text.npos;
}

}  // namespace

std::string unit_mark(std::string_view config_path) {
  return fmt::format("# Made by 'backstay schedule install' from {}", for_unit(config_path));
}

std::string unit_name(std::string_view job) {
  return fmt::format("backstay-{}", job);
}

std::string service_unit(const PlannedJob& job, const UnitWorld& world) {
  std::string text = fmt::format(
      "{}\n# It is written anew by the next one.\n\n[Unit]\nDescription=Backup job {}{}{}\n"
      "Documentation=man:backstay(1)\nWants=network-online.target\nAfter=network-online.target\n\n"
      "[Service]\nType=oneshot\nExecStart={} --config {} --no-progress run {}\n",
      unit_mark(world.config_path), job.name, job.description.empty() ? "" : ": ",
      for_unit(job.description), unit_word(world.program), unit_word(world.config_path),
      unit_word(job.name));
  for (const auto& [name, value] : world.variables) {
    std::string assignment = unit_word(fmt::format("{}={}", name, value));
    // Unlike in command lines, '$' has no meaning there.
    for (std::size_t at = 0; (at = assignment.find("$$", at)) != assignment.npos; ++at)
      assignment.erase(at, 1);
    text += fmt::format("Environment={}\n", assignment);
  }
  // Who waits for an answer of the machine comes before its backup.
  return text + "Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\n";
}

std::string timer_unit(const PlannedJob& job, const UnitWorld& world) {
  std::string text = fmt::format(
      "{}\n# It is written anew by the next one.\n\n[Unit]\nDescription=When backup job {} runs\n"
      "Documentation=man:backstay(1)\n\n[Timer]\n",
      unit_mark(world.config_path), job.name);
  for (const std::string& event : calendar_events(job.schedule))
    text += fmt::format("OnCalendar={}\n", event);
  return text + fmt::format(
                    "RandomizedDelaySec={}\nPersistent=true\n\n"
                    "[Install]\nWantedBy=timers.target\n",
                    job.random_delay_seconds);
}

Result<std::string> crontab_with(std::string_view crontab, const std::vector<PlannedJob>& jobs,
                                 const UnitWorld& world) {
  const std::string begin = mark_line("BEGIN", world.config_path);
  const std::string end = mark_line("END", world.config_path);
  std::string block;
  for (const PlannedJob& job : jobs) {
    block +=
        fmt::format("{} {} --config {} --quiet --no-progress run {}\n", cron_fields(job.schedule),
                    cron_word(world.program), cron_word(world.config_path), cron_word(job.name));
  }
  if (!jobs.empty()) block = begin + "\n" + block + end + "\n";
  const std::size_t old = find_line(crontab, begin, 0);
  if (old == crontab.npos) {
    std::string text(crontab);
    if (!text.empty() && !text.ends_with('\n') && !block.empty()) text += '\n';
    return text + block;
  }
  const std::size_t old_end = find_line(crontab, end, old);
  if (old_end == crontab.npos) {
    return std::unexpected(
        Error(ErrorCode::kConflict, fmt::format("the crontab has no line '{}'", end))
            .with_hint(
                fmt::format("Remove the lines from '{}' on, as far as they are ours.", begin)));
  }
  const std::size_t after = std::min(old_end + end.size() + 1, crontab.size());
  return std::string(crontab.substr(0, old)) + block + std::string(crontab.substr(after));
}

}  // namespace backstay::config
