#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/report/facts.h"
#include "cli/report/page.h"
#include "cli/running.h"
#include "io/file.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct ReportArguments {
  std::string file;
  report::Asked asked;
};

constexpr Range kDays{.low = 1, .high = 3650};

Result<ExitCode> run_report(Context& context, const ReportArguments& arguments) {
  Console& console = context.console;
  if (arguments.file.empty() && (console.streams().out_is_terminal || console.json())) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "a page of HTML is nothing for this output")
            .with_hint("Name a file: backstay report -o report.html"));
  }
  Running running(context);
  const report::Facts facts = TRY(report::gather(context, arguments.asked, running.activity()));
  running.finish();
  const std::string page = report::page_of(facts);
  if (arguments.file.empty()) {
    console.print(page);
  } else {
    TRY_DOING("writing " + arguments.file,
              io::replace_file(arguments.file, as_bytes(std::string_view(page))));
  }
  if (console.json()) {
    json::Json line = json::line_of("report");
    json::put_text(line, "file", arguments.file);
    line["bytes"] = page.size();
    line["snapshots"] = facts.snapshots;
    line["sources"] = facts.sources.size();
    line["seconds"] = json::milliseconds_of(running.seconds());
    console.print_json(line);
  }
  return running.reported() > 0 || facts.damaged > 0 ? ExitCode::kDamage : ExitCode::kDone;
}

}  // namespace

Command report_command() {
  const auto arguments = std::make_shared<ReportArguments>();
  return {
      .name = "report",
      .summary = "Draw what there is, how it grows and what is not verified, as a web page",
      .description =
          "One file of HTML that needs nothing else, neither scripts nor the network: growth, what "
          "takes space, what changed last, how old the newest snapshots are, and which packs no "
          "check on this machine has read lately. It names files: who may read it learns them, so "
          "that it is made for its owner alone (0600).",
      .examples = {{"backstay report -o report.html", "For the browser"},
                   {"backstay report | ssh web 'cat > backups.html'", "For others"}},
      .options = {place("-o,--output", "FILE", arguments->file,
                        "where to; without it, standard output"),
                  number("--verified-within", "DAYS", arguments->asked.verified_within_days, kDays,
                         "what was not read back for longer counts as not verified (30)")},
      .run = [arguments](Context& context) { return run_report(context, *arguments); }};
}

}  // namespace backstay::cli
