#include "backend/open.h"

#include <gtest/gtest.h>

#include "io/machine.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend {
namespace {

TEST(OpenBackend, TakesPathsAndFileUrls) {
  const io::TemporaryFolder folder;
  const std::string path = folder / "my repo";
  ASSERT_TRUE(open_backend(path, OpenKind::kCreate).has_value());
  EXPECT_EQ(open_backend(path + "//", OpenKind::kOpen).value()->describe(), path);
  EXPECT_EQ(
      open_backend("file://" + folder.path() + "/my%20repo", OpenKind::kOpen).value()->describe(),
      path);
  EXPECT_TRUE(open_backend("file://localhost" + folder.path(), OpenKind::kOpen).has_value());
}

TEST(OpenBackend, TakesARelativePathFromTheCurrentFolder) {
  const auto missing = open_backend("no/such-folder", OpenKind::kOpen);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  const Result<std::string> here = io::current_directory();
  ASSERT_TRUE(here.has_value());
  EXPECT_NE(missing.error().describe().find(*here + "/no/such-folder"), std::string::npos);
}

TEST(OpenBackend, FindsNothingWhereNoFolderIs) {
  const io::TemporaryFolder folder;
  const ByteView text = as_bytes("x");
  ASSERT_TRUE(io::create_file(folder / "file", {&text, 1}, io::Durability::kUnsynced).has_value());
  for (const char* const name : {"missing", "file", "file/below"}) {
    const auto opened = open_backend(folder / name, OpenKind::kOpen);
    ASSERT_FALSE(opened.has_value()) << name;
    EXPECT_EQ(opened.error().code(), ErrorCode::kNotFound) << name;
    EXPECT_FALSE(opened.error().hint().empty());
  }
  EXPECT_FALSE(open_backend(folder / "file", OpenKind::kCreate).has_value());
}

TEST(OpenBackend, TakesOnlyAFolderOfItsOwnForANewRepository) {
  const io::TemporaryFolder folder;
  const auto put = [&](const std::string& path) {
    const ByteView text = as_bytes("x");
    ASSERT_TRUE(io::create_file(path, {&text, 1}, io::Durability::kUnsynced).has_value());
  };
  EXPECT_TRUE(check_is_free(folder / "missing").has_value());
  EXPECT_TRUE(check_is_free(folder.path()).has_value());
  for (const char* const name : {"lost+found", "keys"}) {
    ASSERT_TRUE(io::make_directories(folder / name).has_value());
    EXPECT_TRUE(check_is_free(folder.path()).has_value()) << name;
  }
  put(folder / "holiday.jpg");
  const auto foreign = check_is_free(folder.path());
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(foreign.error().hint().empty());
  put(folder / "config");
  EXPECT_TRUE(check_is_free(folder.path()).has_value());
}

TEST(OpenBackend, SaysWhichKindsWorkWithoutShowingCredentials) {
  for (const char* const url :
       {"s3://KEY:SECRET@bucket/x", "azure://c/SECRET", "sftp://u:SECRET@h/p", "ftp://SECRET",
        "webdavs://SECRET", "backstay://SECRET", "placement:SECRET", "rest:http://SECRET"}) {
    const auto opened = open_backend(url, OpenKind::kOpen);
    ASSERT_FALSE(opened.has_value()) << url;
    EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument) << url;
    EXPECT_EQ(opened.error().describe().find("SECRET"), std::string::npos) << url;
    EXPECT_NE(opened.error().hint().find("file:///"), std::string::npos) << url;
  }
}

TEST(OpenBackend, RefusesUrlsThatNameNoFolder) {
  for (const char* const url : {"", "file:/x", "file://host/x", "file://", "file:///a%2",
                                "file:///a%zz", "file:///a%00b"}) {
    const auto opened = open_backend(url, OpenKind::kCreate);
    ASSERT_FALSE(opened.has_value()) << url;
    EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace backstay::backend
