#include "io/file.h"

#include <gtest/gtest.h>

#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

Result<void> create(const std::string& path, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return create_file(path, {&bytes, 1}, Durability::kUnsynced);
}
std::string content(const std::string& path) {
  const Result<Bytes> bytes = read_file(path, 1 << 20);
  return bytes ? std::string(as_text(*bytes)) : bytes.error().describe();
}

TEST(CreateFile, RefusesATakenNameAndLeavesTheFileThere) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "a", "first").has_value());
  EXPECT_EQ(create(folder / "a", "second").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(content(folder / "a"), "first");
}

}  // namespace
}  // namespace backstay::io
