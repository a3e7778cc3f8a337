#include "io/memory_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace backstay::io {

// Neither can fail for these values. A core that goes to a program is not bound by the limit, but
// by the other one.
void forbid_memory_dumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace backstay::io
