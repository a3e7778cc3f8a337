#include "cli/commands.h"

namespace backstay::cli {

Program make_program(GlobalOptions& options) {
  Program program{.options = global_option_table(options), .commands = {}};
  program.commands.push_back(init_command());
  program.commands.push_back(backup_command());
  program.commands.push_back(watch_command());
  program.commands.push_back(restore_command());
  program.commands.push_back(restores_command());
  program.commands.push_back(rollback_command());
  program.commands.push_back(snapshots_command());
  program.commands.push_back(ls_command());
  program.commands.push_back(find_command());
  program.commands.push_back(history_command());
  program.commands.push_back(diff_command());
  program.commands.push_back(dump_command());
  program.commands.push_back(export_command());
  program.commands.push_back(mount_command());
  program.commands.push_back(copy_command());
  program.commands.push_back(import_command());
  program.commands.push_back(stats_command());
  program.commands.push_back(report_command());
  program.commands.push_back(prune_command());
  program.commands.push_back(check_command());
  program.commands.push_back(repair_command());
  program.commands.push_back(parity_command());
  program.commands.push_back(placement_command());
  program.commands.push_back(forget_command());
  program.commands.push_back(tag_command());
  program.commands.push_back(hold_command());
  program.commands.push_back(release_command());
  program.commands.push_back(append_only_command());
  program.commands.push_back(key_command());
  program.commands.push_back(config_command());
  program.commands.push_back(run_command());
  program.commands.push_back(schedule_command());
  program.commands.push_back(cache_command());
  program.commands.push_back(lease_command());
  program.commands.push_back(repo_command());
  program.commands.push_back(stage_command());
  program.commands.push_back(store_command());
  program.commands.push_back(self_test_command());
  program.commands.push_back(version_command());
  program.commands.push_back(completion_command());
  program.commands.push_back(help_command());
  return program;
}

}  // namespace backstay::cli
