#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/prune_output.h"
#include "cli/session.h"

namespace backstay::cli {

Command prune_command() {
  const auto options = std::make_shared<engine::PruneOptions>();
  std::vector<Option> table;
  append_prune_options(table, *options);
  table.push_back(
      flag("-n,--dry-run", options->dry_run, "show what would be done and change nothing"));
  return {
      .name = "prune",
      .summary = "Free the space of what no snapshot needs",
      .description =
          "Looks at what all snapshots need, removes packs without use, and empties packs that are "
          "used in part by storing again what is needed of them, checked on the way. Backups, "
          "restores and other prunes go on meanwhile, from any machine: packs that an operation "
          "may still need, because it began before, wait for a later prune. What runs and is "
          "waited for is listed; leases of operations that died are ended. It steps back for other "
          "programs, as with --nice.\n\n"
          "It can be interrupted at any time, and the next one goes on. While a snapshot, its tree "
          "or the index cannot be read, nothing is freed.",
      .examples = {{"backstay prune", "Free what is free"},
                   {"backstay prune --dry-run --max-unused 0%", "What could be had at most"},
                   {"backstay prune --max-repack 10GiB --max-duration 1h", "A little every night"}},
      .options = std::move(table),
      .run = [options](Context& context) -> Result<ExitCode> {
        const auto repository = TRY(open_repository(context));
        return prune_and_show(context, *repository, *options, "summary");
      }};
}

}  // namespace backstay::cli
