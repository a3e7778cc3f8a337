#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/restore_journals.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "engine/restore_journal.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

std::string state_text(const engine::KnownRestore& known) {
  std::string text(engine::to_string(known.state));
  std::ranges::replace(text, '_', ' ');
  const engine::RestoreRecord& record = known.record;
  if (known.state == engine::RestoreState::kPartial)
    text += fmt::format(", {} errors", grouped(record.errors));
  if (record.validated_bytes)
    text += record.validation_errors == 0 ? ", validated" : ", differs from the snapshot";
  if (record.check_exit)
    text += *record.check_exit == 0 ? ", checked"
                                    : fmt::format(", check ended with {}", *record.check_exit);
  return text;
}

std::string restores_text(const std::vector<engine::KnownRestore>& restores) {
  Table table({{"ID"}, {"Time"}, {"Snapshot"}, {"State"}, {"Target", Align::kLeft}});
  for (const engine::KnownRestore& known : restores) {
    const engine::RestoreRecord& record = known.record;
    table.add({record.id, format_local(record.started),
               record.rollback_of.empty() ? record.snapshot.substr(0, 8)
                                          : "rollback of " + record.rollback_of.substr(0, 8),
               state_text(known), printable(known.target)});
  }
  return table.render();
}

Result<ExitCode> run_restores(Context& context) {
  const engine::KnownRestores known =
      TRY(engine::list_restores(journals_folder(context.environment)));
  Console& console = context.console;
  for (const auto& [id, error] : known.damaged)
    console.warning(
        fmt::format("the journal of restore {} cannot be read: {}", id, error.describe()));
  if (console.json()) {
    for (const engine::KnownRestore& one : known.restores) console.print_json(restore_line(one));
  } else if (known.restores.empty()) {
    console.note("no restore on this machine has kept a safety snapshot");
  } else {
    console.print(restores_text(known.restores));
  }
  return known.damaged.empty() ? ExitCode::kDone : ExitCode::kPartial;
}

}  // namespace

Command restores_command() {
  return {.name = "restores",
          .summary = "List restores that can be rolled back",
          .description =
              "Every restore that kept a safety snapshot, on this machine and by this user, oldest "
              "first. interrupted: it did not end; run it again, or roll it back. nothing done: it "
              "ended before it changed anything. No repository is needed for the list.",
          .examples = {{"backstay restores", "What was restored here"},
                       {"backstay --json restores", "The same for programs"}},
          .run = [](Context& context) { return run_restores(context); }};
}

}  // namespace backstay::cli
