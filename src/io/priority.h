// How much of the machine this process takes when others want it too.
#pragma once

#include "base/error.h"

namespace backstay::io {

// Lowers the processor priority of the calling thread to nice 19, the lowest, and its disk
// priority to the idle class. Threads that it starts afterwards inherit both, and so
// do programs. `unsupported` where the kernel or a container refuses the disk's part.
Result<void> lower_priority();

}  // namespace backstay::io
