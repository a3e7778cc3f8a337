#include "io/whole_file.h"

#include <gtest/gtest.h>

#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

TEST(WholeFile, AppearsWhenItIsWholeAndNotBefore) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  {
    auto file = WholeFile::create(path);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(file->write(as_bytes("one ")).has_value());
    EXPECT_TRUE(list_directory(folder.path())->empty());
  }
  EXPECT_TRUE(list_directory(folder.path())->empty()) << "nothing is left of one that was given up";
  auto file = WholeFile::create(path);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(file->write(as_bytes("one ")).has_value());
  ASSERT_TRUE(file->write(as_bytes("two")).has_value());
  ASSERT_TRUE(file->finish().has_value());
  EXPECT_EQ(as_text(read_file(path, 100).value()), "one two");
}

TEST(WholeFile, ReplacesNothing) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  auto file = WholeFile::create(path);
  ASSERT_TRUE(file.has_value());
  const ByteView other = as_bytes("other");
  ASSERT_TRUE(create_file(path, {&other, 1}, Durability::kUnsynced).has_value());
  EXPECT_EQ(file->finish().error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(WholeFile::create(path).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(as_text(read_file(path, 100).value()), "other");
}

TEST(WholeFile, SaysWhereItCannotBe) {
  const TemporaryFolder folder;
  EXPECT_EQ(WholeFile::create(folder / "no/where").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace backstay::io
