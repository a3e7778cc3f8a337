#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/text_layout.h"
#include "engine/self_test.h"
#include "io/file.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

Result<std::string> scratch_folder(const Environment& environment) {
  std::string path = environment.get("TMPDIR").value_or("/tmp") + "/backstay-self-test-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    return fail_errno(errno, "making a scratch folder " + path);
  return path;
}

std::string step_text(const engine::SelfTestStep& step) {
  const std::string detail = step.detail.empty() ? "" : ": " + printable_message(step.detail);
  return fmt::format("{}  {}{}\n", step.passed ? "ok    " : "FAILED", step.name, detail);
}

Result<ExitCode> run_self_test(Context& context) {
  const std::string scratch = TRY(scratch_folder(context.environment));
  const auto started = context.clock.monotonic();
  const std::vector<engine::SelfTestStep> steps = engine::self_test(scratch);
  const double seconds = std::chrono::duration<double>(context.clock.monotonic() - started).count();
  TRY(io::remove_tree(scratch));
  Console& console = context.console;
  const auto failed =
      static_cast<std::uint64_t>(std::ranges::count(steps, false, &engine::SelfTestStep::passed));
  for (const engine::SelfTestStep& step : steps) {
    if (console.json())
      console.print_json(self_test_line(step));
    else
      console.print(step_text(step));
  }
  if (console.json()) {
    json::Json line = json::line_of("summary");
    line["passed"] = steps.size() - failed;
    line["failed"] = failed;
    line["seconds"] = seconds;
    console.print_json(line);
  } else {
    console.print(
        fmt::format("{} of {} passed\n", steps.size() - failed, counted(steps.size(), "step")));
  }
  if (failed == 0 && !steps.empty()) return ExitCode::kDone;
  return std::unexpected(
      Error(ErrorCode::kInternal, fmt::format("{} failed", counted(failed, "step")))
          .with_hint(
              "Do not trust this machine or this build with backups until this is understood."));
}

}  // namespace

Command self_test_command() {
  return {.name = "self-test",
          .summary = "Test this program on this machine, in a few seconds",
          .description =
              "Compares the ciphers and hashes with known answers, and makes a small backup and "
              "restore in a "
              "temporary folder. Needs no repository.",
          .run = run_self_test};
}

}  // namespace backstay::cli
