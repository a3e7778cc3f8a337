// All commands, one .cc file each.
#pragma once

#include "cli/command.h"
#include "cli/global_options.h"

namespace backstay::cli {

Command init_command();
Command append_only_command();
Command backup_command();
Command restore_command();
Command restores_command();
Command rollback_command();
Command snapshots_command();
Command ls_command();
Command find_command();
Command history_command();
Command diff_command();
Command copy_command();
Command import_command();
Command dump_command();
Command export_command();
Command mount_command();
Command stats_command();
Command report_command();
Command check_command();
Command repair_command();
Command parity_command();
Command placement_command();
Command forget_command();
Command tag_command();
Command hold_command();
Command release_command();
Command prune_command();
Command repo_command();
Command stage_command();
Command store_command();
Command key_command();
Command cache_command();
Command config_command();
Command run_command();
Command schedule_command();
Command lease_command();
Command self_test_command();
Command version_command();
Command watch_command();
Command completion_command();
Command help_command();

// `options` outlives the program.
Program make_program(GlobalOptions& options);

}  // namespace backstay::cli
