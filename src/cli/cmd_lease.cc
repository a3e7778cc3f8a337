#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/session.h"
#include "json/json.h"
#include "repo/lease.h"

namespace backstay::cli {
namespace {

Result<ExitCode> list_leases(Context& context) {
  const OpenStore store = TRY(open_store(context));
  const std::vector<repo::ListedLease> leases =
      TRY_DOING("listing leases", repo::list_leases(*store.backend, store.config.id));
  if (context.console.json()) {
    for (const repo::ListedLease& lease : leases) context.console.print_json(lease_line(lease));
  } else if (leases.empty()) {
    context.console.note("nothing is running");
  } else {
    context.console.print(leases_text(leases));
  }
  return ExitCode::kDone;
}

}  // namespace

Command lease_command() {
  Command command{
      .name = "lease",
      .summary = "Show which operations are running",
      .description =
          "An operation that runs holds a lease in the repository and renews it. One that was "
          "killed leaves a lease behind, which is dead after a while; nobody waits for it."};
  command.commands.push_back({.name = "list",
                              .summary = "List leases; needs no passphrase",
                              .description = {},
                              .run = list_leases});
  return command;
}

}  // namespace backstay::cli
