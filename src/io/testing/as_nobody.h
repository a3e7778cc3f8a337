// Runs a part of a test without root's rights. For tests only.
#pragma once

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace backstay::io {

[[nodiscard]] inline bool is_root() {
  return ::geteuid() == 0;
}

// Runs `body` in a child process, prepared by `prepare` (null: nothing to do), and fails when an
// expectation in it does.
inline void expect_in_child(const std::function<bool()>& prepare,
                            const std::function<void()>& body) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool ready = !prepare || prepare();
    if (ready) body();
    // No destructors and no leak check: this is a copy of the test program.
    ::_exit(ready && !testing::Test::HasFailure() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see the child's output above";
}

inline constexpr unsigned kNobody = 65534;

// As user and group 65534 when this is root, else as the user that this is.
inline void expect_without_root(const std::function<void()>& body) {
  const auto drop = [] {
    return !is_root() ||
           (::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0);
  };
  expect_in_child(drop, body);
}

}  // namespace backstay::io
