#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/duration.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/running.h"
#include "cli/session.h"
#include "engine/check.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct CheckArguments {
  bool read_data = false;
  bool no_key = false;
  engine::CheckOptions engine;
};

struct Outcome {
  engine::CheckReport report;
  double seconds = 0;
};

Result<Outcome> check_without_key(Context& context, const CheckArguments& arguments) {
  const auto store = TRY(open_unread_store(context));
  Running running(context);
  auto report = TRY(engine::check_names(*store, arguments.engine, running.activity()));
  running.finish();
  context.console.note(
      "--no-key verifies what is there: what is missing it cannot know ('backstay check' does).");
  return Outcome{std::move(report), running.seconds()};
}

Result<Outcome> check_with_key(Context& context, const CheckArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  Running running(context);
  auto report = TRY(engine::check(*repository, arguments.engine, running.activity()));
  running.finish();
  note_uncounted(context, *repository);
  return Outcome{std::move(report), running.seconds()};
}

// A time that was up is no failure: it was asked for. But where not even the trees were all looked
// at, the check is one of a part.
ExitCode code_without_damage(const engine::CheckReport& report) {
  return report.structure_complete ? ExitCode::kDone : ExitCode::kPartial;
}

// Damage is found, not failed over: the report comes out whole, and then the error that scripts
// look for.
ExitCode conclude(Console& console, const engine::CheckReport& report, double seconds) {
  if (console.json()) {
    for (const engine::Damage& damage : report.damages) console.print_json(damage_line(damage));
    console.print_json(check_summary(report, seconds));
  } else {
    console.print(check_text(report, seconds));
  }
  if (report.damages.empty()) return code_without_damage(report);
  const Error error =
      Error(ErrorCode::kCorruption,
            fmt::format("the repository is damaged: {}", counted(report.damages.size(), "object")))
          .with_hint(
              "Look at the disk first. What to do is said with each object; docs/repair.md has it "
              "in order.");
  if (console.json()) console.print_json(error_line(error));
  console.error(error);
  return ExitCode::kDamage;
}

Result<ExitCode> run_check(Context& context, CheckArguments& arguments) {
  using Mode = engine::ReadData::Mode;
  if (arguments.read_data && arguments.engine.read_data.mode != Mode::kNone) {
    return fail(ErrorCode::kInvalidArgument,
                "only one of --read-data and --read-data-subset makes sense");
  }
  if (arguments.no_key && (arguments.read_data || arguments.engine.read_data.mode != Mode::kNone)) {
    return fail(ErrorCode::kInvalidArgument,
                "--no-key reads every object anyway, and without a key there is no more to read");
  }
  const bool all = arguments.read_data ||
                   (arguments.engine.max_age && arguments.engine.read_data.mode == Mode::kNone);
  if (all) arguments.engine.read_data.mode = Mode::kAll;
  arguments.engine.caches = cache_folder(context.options, context.environment);
  if (context.console.json()) {
    arguments.engine.affected = [&context](const engine::Affected& one) {
      context.console.print_json(affected_line(one));
    };
  }
  arguments.engine.threads = context.options.threads;
  Result<Outcome> outcome =
      arguments.no_key ? check_without_key(context, arguments) : check_with_key(context, arguments);
  if (!outcome) return std::unexpected(std::move(outcome).error());
  return conclude(context.console, outcome->report, outcome->seconds);
}

}  // namespace

Command check_command() {
  const auto arguments = std::make_shared<CheckArguments>();
  Option subset{.names = "--read-data-subset",
                .value = "N/M|P%|SIZE",
                .help =
                    "read a part of the data: the N-th of M parts, a percentage or about so many "
                    "bytes at random",
                .set = [arguments](std::string_view text) -> Result<void> {
                  arguments->engine.read_data = TRY(engine::parse_read_data_subset(text));
                  return {};
                }};
  Option duration{
      .names = "--max-duration",
      .value = "TIME",
      .help =
          "stop after this time, for example 30m; what was looked at until then counts, and "
          "with --max-age the next check goes on there",
      .set = [arguments](std::string_view text) -> Result<void> {
        arguments->engine.max_duration = TRY(parse_duration(text));
        return {};
      }};
  Option age{.names = "--max-age",
             .value = "TIME",
             .help =
                 "read the packs that were not verified for so long, for example 30d; those "
                 "first that were not for longest",
             .set = [arguments](std::string_view text) -> Result<void> {
               arguments->engine.max_age = TRY(parse_duration(text));
               return {};
             }};
  return {.name = "check",
          .summary = "Look for damage in the repository",
          .description =
              "Verifies that everything that the snapshots refer to is there and that their trees "
              "are whole; with "
              "--read-data also every stored byte. Each damaged object is named with the files "
              "that it affects, "
              "and the exit code is 13. Damaged packs are also recorded in the repository, so that "
              "the next backup stores again what the source still has of them.\n\n"
              "Nothing refers to a snapshot, so that one whose object was removed is not missed: "
              "compare with 'backstay snapshots' of before. With --no-key nothing that is missing "
              "is noticed.\n\n"
              "Which packs were read and found whole, and when, is kept in the cache, so that "
              "--max-age can leave out what was read lately: a check that was stopped goes on "
              "where it was. Without that memory more is read, and that is all. The trees are "
              "looked at before the packs. When --max-duration is up the exit code is 0, for that "
              "was asked for, but 3 when it was up before all trees were looked at.",
          .examples = {{"backstay check", "Structure, in seconds to minutes"},
                       {"backstay check --read-data-subset 3/30",
                        "A thirtieth of the data, another one every day"},
                       {"backstay check --max-age 30d --max-duration 1h",
                        "Every night an hour, so that each month everything is read"},
                       {"backstay check --no-key",
                        "Every object against its name, without a passphrase"}},
          .options = {flag("--read-data", arguments->read_data, "read and verify all data"),
                      std::move(subset),
                      flag("--no-key", arguments->no_key,
                           "verify all stored bytes without a passphrase"),
                      std::move(duration), std::move(age)},
          .run = [arguments](Context& context) { return run_check(context, *arguments); }};
}

}  // namespace backstay::cli
