// Who may read a file.
#pragma once

#include <string>

#include "base/error.h"

namespace backstay::io {

// Whether its mode lets its group or everybody read it.
Result<bool> others_may_read(const std::string& path);

}  // namespace backstay::io
