#include "io/file_system.h"

#include <gtest/gtest.h>

#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

TEST(FileSystem, TellsWhatAFolderOfThisMachineCanKeep) {
  const TemporaryFolder folder;
  const Result<FileSystemFacts> facts = file_system_facts(folder / "");
  ASSERT_TRUE(facts.has_value()) << facts.error().describe();
  EXPECT_FALSE(facts->read_only);
  EXPECT_FALSE(facts->ignores_case);
  EXPECT_TRUE(facts->keeps_attributes);
  EXPECT_GT(facts->free_bytes, 0U);
}

TEST(FileSystem, NamesTheFolderThatIsNotThere) {
  const TemporaryFolder folder;
  const Result<FileSystemFacts> facts = file_system_facts(folder / "missing");
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(facts.error().describe().find("missing"), std::string::npos);
}

}  // namespace
}  // namespace backstay::io
