#include "cli/global_options.h"

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/duration.h"

namespace backstay::cli {
namespace {

// What the engine's stages need at the very least (docs of --memory-limit).
constexpr std::uint64_t kMemoryLimitMin = 64 * kMiB;

Option from_environment(Option option, std::string variable,
                        EnvironmentUse use = EnvironmentUse::kFallback) {
  option.environment = std::move(variable);
  option.environment_use = use;
  return option;
}

Option verbose(std::uint64_t& level) {
  return {.names = "-v,--verbose",
          .value = {},
          .help = "say more",
          .set = [&level](auto) -> Result<void> {
            ++level;
            return {};
          }};
}

Option memory_limit(std::uint64_t& limit) {
  Option option =
      size("--memory-limit", limit, "bound of the memory that data in flight takes, 64MiB or more");
  option.set = [&limit](std::string_view text) -> Result<void> {
    limit = TRY(parse_byte_size(text));
    if (limit >= kMemoryLimitMin) return {};
    return fail(ErrorCode::kInvalidArgument, "less than 64MiB is not enough to work with");
  };
  return option;
}

Option rate(std::string names, backend::RateSchedule& target, std::string help) {
  return {.names = std::move(names),
          .value = "RATE",
          .help = std::move(help) +
                  " (10M, 512KiB); by the time of day with 10M,08:00-18:00=1M,22:00-06:00=off",
          .set = [&target](std::string_view text) -> Result<void> {
            target = TRY(backend::parse_rate_schedule(text));
            return {};
          }};
}

Option key_timeout(std::chrono::seconds& target) {
  return {.names = "--key-timeout",
          .value = "DURATION",
          .help = "how long a program may take that gives a key or passphrase (2m by default)",
          .set = [&target](std::string_view text) -> Result<void> {
            target = TRY(parse_duration(text));
            if (target.count() > 0) return {};
            return fail(ErrorCode::kInvalidArgument, "it must be more than nothing");
          }};
}

}  // namespace

std::vector<Option> global_option_table(GlobalOptions& to) {
  constexpr auto kElsewhere = EnvironmentUse::kDocumented;
  return {
      from_environment(place("-r,--repo", "URL", to.repository,
                             "repository: a folder, s3://BUCKET/PREFIX, azure://CONTAINER/PREFIX, "
                             "sftp://USER@HOST/PATH, "
                             "ftps://USER@HOST/PATH, webdavs://USER@HOST/PATH, "
                             "backstays://HOST/NAME or placement:FILE; set:FILE means a "
                             "primary and its copies (docs/copies.md)"),
                       "BACKSTAY_REPO"),
      from_environment(
          text("--password-file", "FILE", to.password_file, "read the passphrase from this file"),
          "BACKSTAY_PASSWORD_FILE", kElsewhere),
      from_environment(
          text("--password-command", "COMMAND", to.password_command,
               "run this program (no shell) and take what it prints as the passphrase"),
          "BACKSTAY_PASSWORD_COMMAND", kElsewhere),
      from_environment(
          text("--recovery-key-file", "FILE", to.recovery_key_file,
               "open the repository with the recovery key whose words are in this file"),
          "BACKSTAY_RECOVERY_KEY_FILE", kElsewhere),
      from_environment(text("--key-file", "FILE", to.key_file,
                            "open the repository with this key file (docs/keys.md)"),
                       "BACKSTAY_KEY_FILE", kElsewhere),
      from_environment(text("--key-command", "COMMAND", to.key_command,
                            "open the repository with what this program (no shell) prints, a key "
                            "manager's for example"),
                       "BACKSTAY_KEY_COMMAND", kElsewhere),
      key_timeout(to.key_timeout),
      flag("--json", to.json, "print one JSON object a line (docs/json describes them)"),
      flag("-q,--quiet", to.quiet, "say nothing but errors and what was asked for"),
      verbose(to.verbosity),
      flag("--no-progress", to.no_progress, "show no progress line"),
      choice<When>("--color", "WHEN", to.color,
                   {{"auto", When::kAuto}, {"always", When::kAlways}, {"never", When::kNever}},
                   "colours: auto, always or never; NO_COLOR switches auto off"),
      choice<LogFormat>("--log-format", "FORMAT", to.log_format,
                        {{"text", LogFormat::kText}, {"json", LogFormat::kJson}},
                        "messages on standard error: text or json"),
      from_environment(
          text("--cache-dir", "DIR", to.cache_directory, "keep local copies of the index here"),
          "BACKSTAY_CACHE_DIR"),
      flag("--no-cache", to.no_cache, "keep no local copies; slower on large repositories"),
      flag("--accept-changed", to.accept_changed,
           "go on although another repository is at this place than was, or its keys are others, "
           "and know it from now on"),
      flag("--read-only", to.read_only,
           "change nothing in the repository, not even to say that it is being read: for stores "
           "that must stay as they are"),
      number("--threads", "N", to.threads, {1, 1024}, "worker threads; one a processor by default"),
      memory_limit(to.memory_limit),
      rate("--limit-upload", to.limit_upload, "write at most so much a second to the repository"),
      rate("--limit-download", to.limit_download,
           "read at most so much a second from the repository"),
      flag("--nice", to.nice, "step back for others: low processor priority, idle disk priority"),
      from_environment(place("--config", "FILE", to.config,
                             "configuration file in YAML or TOML (docs/configuration.md)"),
                       "BACKSTAY_CONFIG"),
      from_environment(
          place("--profile", "NAME", to.profile, "take what this profile of it says, or this job"),
          "BACKSTAY_PROFILE"),
  };
}

}  // namespace backstay::cli
