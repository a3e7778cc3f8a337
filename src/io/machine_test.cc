#include "io/machine.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

TEST(Machine, KnowsItself) {
  EXPECT_FALSE(hostname().empty());
  EXPECT_FALSE(user_name().empty());
  EXPECT_EQ(process_id(), static_cast<std::uint64_t>(::getpid()));
  EXPECT_EQ(current_directory().value().front(), '/');
}

TEST(Machine, RaisesTheLimitOfOpenFilesAndNeverLowersIt) {
  const std::uint64_t limit = raise_open_file_limit();
  EXPECT_GT(limit, 0U);
  EXPECT_EQ(raise_open_file_limit(), limit);
}

TEST(Machine, OccupiesClosedStandardDescriptors) {
  const TemporaryFolder folder;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(0);
    ::close(2);
    if (!occupy_standard_descriptors()) ::_exit(1);
    const ByteView nothing;
    const std::string path = folder / "a";
    if (!create_file(path, {&nothing, 1}, Durability::kUnsynced)) ::_exit(2);
    const auto opened = open_file(path, OpenMode::kRead);
    ::_exit(opened && opened->get() > 2 ? 42 : 3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

}  // namespace
}  // namespace backstay::io
