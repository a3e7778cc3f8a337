#include "io/priority.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

namespace backstay::io {
namespace {

// Field 19 of /proc/.../stat, counted from behind the name in brackets, which is field 2.
int nice_of_this_thread() {
  std::ifstream file("/proc/thread-self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field;
  for (int number = 3; number <= 19; ++number) fields >> field;
  return std::stoi(field);
}

// A priority that was lowered stays so: each test has a thread of its own.
TEST(Priority, IsLowForTheThreadAndThoseItStarts) {
  std::jthread([] {
    const Result<void> lowered = lower_priority();
    const bool disk_too = lowered.has_value();
    EXPECT_TRUE(disk_too || lowered.error().code() == ErrorCode::kUnsupported);
    std::jthread([&] {
      EXPECT_EQ(nice_of_this_thread(), 19);
      const long io = ::syscall(SYS_ioprio_get, 1, 0);
      EXPECT_TRUE(!disk_too || io >> 13 == 3) << "the idle class";
    });
  });
}

}  // namespace
}  // namespace backstay::io
