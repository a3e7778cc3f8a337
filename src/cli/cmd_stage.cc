#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/session.h"
#include "cli/stage.h"
#include "cli/stage_output.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

Result<ExitCode> run_stage_status(Context& context, const std::string& folder) {
  const Stage stage(context, {.folder = folder});
  tell_stage(context, stage, TRY(stage.waiting()));
  return ExitCode::kDone;
}

Result<ExitCode> run_stage_send(Context& context, const std::string& folder) {
  const Stage stage(context, {.folder = folder});
  TRY(stage.require_prepared());
  TRY(stage.require_remote());
  const GivenCredential given = TRY(read_given_credential(context));
  const auto remote = TRY(
      open_repository(context, KeyUse::kReading, WhenChanged::kRefuse, given ? &given : nullptr));
  const auto report = TRY(send_stage(context, stage, *remote, given));
  if (!report) {
    return std::unexpected(
        Error(ErrorCode::kUnavailable, "another run uses the stage in " + folder)
            .with_hint("Send it when that has ended; it may be sending it itself."));
  }
  if (context.console.json()) {
    json::Json line = json::line_of("summary");
    line["snapshots_sent"] = report->sent + report->there_already;
    line["snapshots_kept"] = report->kept;
    line["bytes_added"] = report->bytes_added;
    line["bytes_stored"] = report->bytes_stored;
    context.console.print_json(line);
  } else if (report->sent + report->there_already + report->kept == 0) {
    context.console.note("nothing was waiting");
  }
  return report->kept == 0 ? ExitCode::kDone : ExitCode::kPartial;
}

}  // namespace

Command stage_command() {
  Command command{.name = "stage",
                  .summary = "See and send what was backed up while the repository was away",
                  .description =
                      "'backstay backup --stage DIR' keeps in DIR what cannot be sent now. The "
                      "next backup with --stage sends it, or 'stage send' does."};
  const auto folder = std::make_shared<std::string>();
  const Argument place{.name = "DIR",
                       .help = "the folder of --stage",
                       .arity = Arity::kOne,
                       .set = [folder](std::string_view text) -> Result<void> {
                         *folder = text;
                         return {};
                       }};
  command.commands.push_back(
      {.name = "status",
       .summary = "Say what is waiting; needs no passphrase, and no repository",
       .description = "How many snapshots are waiting in the stage, how many bytes, since when, "
                      "and for which repository.",
       .examples = {{"backstay stage status /var/spool/backstay", "What is waiting"}},
       .arguments = {place},
       .run = [folder](Context& context) { return run_stage_status(context, *folder); }});
  command.commands.push_back(
      {.name = "send",
       .summary = "Send what is waiting to the repository",
       .description =
           "Sends the snapshots of the stage, oldest first. Each is removed from it only after it "
           "was read back from the repository; an interrupted run goes on with the next one. A "
           "snapshot that relies on something which the repository has lost meanwhile stays in "
           "the stage and is named, and the exit code is 3.",
       .examples = {{"backstay stage send /var/spool/backstay", "Send now"}},
       .arguments = {place},
       .run = [folder](Context& context) { return run_stage_send(context, *folder); }});
  return command;
}

}  // namespace backstay::cli
