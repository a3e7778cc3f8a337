// --compression, which init and backup share.
#pragma once

#include <functional>

#include "cli/option.h"
#include "repo/config.h"

namespace backstay::cli {

Option compression_option(std::function<void(repo::Compression)> set);

}  // namespace backstay::cli
