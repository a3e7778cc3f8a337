#include "io/memory_dumps.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"

namespace backstay::io {
namespace {

int state_of_the_process() {
  rlimit limit{};
  ::getrlimit(RLIMIT_CORE, &limit);
  return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) + (limit.rlim_cur == 0 ? 0 : 10);
}

TEST(MemoryDumps, AreForbiddenAndTheProcessStillReadsWhatConcernsItself) {
  // For good, so in a process of its own.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    forbid_memory_dumps();
    const bool reads = read_file("/proc/self/status", 1 << 20).has_value() &&
                       list_directory("/proc/self/fd").has_value();
    ::_exit(state_of_the_process() + (reads ? 0 : 20));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace backstay::io
