// The commands below 'config', one file each.
#pragma once

#include "cli/command.h"

namespace backstay::cli {

Command config_check_command();
Command config_show_command();
Command config_init_command();
Command config_import_command();

}  // namespace backstay::cli
