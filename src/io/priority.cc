#include "io/priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "io/failure.h"

namespace backstay::io {
namespace {

constexpr int kNice = 19;
// As in linux/ioprio.h, which is not C++.
constexpr int kThisThread = 1;
constexpr int kIdleClass = 3 << 13;

}  // namespace

Result<void> lower_priority() {
  // 0 is the calling thread.
  if (::setpriority(PRIO_PROCESS, 0, kNice) != 0) return fail_io(errno, "lowering the priority");
  if (::syscall(SYS_ioprio_set, kThisThread, 0, kIdleClass) != 0) {
    return fail(ErrorCode::kUnsupported, "the disk priority cannot be lowered here");
  }
  return {};
}

}  // namespace backstay::io
