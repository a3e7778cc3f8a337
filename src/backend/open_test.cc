#include "backend/open.h"

#include <gtest/gtest.h>

#include "io/machine.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend {
namespace {

struct OpenBackend : ::testing::Test {
  [[nodiscard]] Result<std::unique_ptr<Backend>> open(std::string_view url,
                                                      OpenKind kind = OpenKind::kOpen) {
    return open_backend(url, kind, world);
  }

  SystemClock clock;
  SeededRng rng{1};
  StoreWorld world{.clock = clock,
                   .rng = rng,
                   .stop = {},
                   .variable = [](std::string_view) { return std::nullopt; },
                   .secret = [](std::string_view) { return std::nullopt; },
                   .note_retry = {}};
};

TEST_F(OpenBackend, TakesPathsAndFileUrls) {
  const io::TemporaryFolder folder;
  const std::string path = folder / "my repo";
  ASSERT_TRUE(open(path, OpenKind::kCreate).has_value());
  EXPECT_EQ(open(path + "//").value()->describe(), path);
  EXPECT_EQ(open("file://" + folder.path() + "/my%20repo").value()->describe(), path);
  EXPECT_TRUE(open("file://localhost" + folder.path()).has_value());
}

TEST_F(OpenBackend, TakesARelativePathFromTheCurrentFolder) {
  const auto missing = open("no/such-folder");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  const Result<std::string> here = io::current_directory();
  ASSERT_TRUE(here.has_value());
  EXPECT_NE(missing.error().describe().find(*here + "/no/such-folder"), std::string::npos);
}

TEST_F(OpenBackend, FindsNothingWhereNoFolderIs) {
  const io::TemporaryFolder folder;
  const ByteView text = as_bytes("x");
  ASSERT_TRUE(io::create_file(folder / "file", {&text, 1}, io::Durability::kUnsynced).has_value());
  for (const char* const name : {"missing", "file", "file/below"}) {
    const auto opened = open(folder / name);
    ASSERT_FALSE(opened.has_value()) << name;
    EXPECT_EQ(opened.error().code(), ErrorCode::kNotFound) << name;
    EXPECT_FALSE(opened.error().hint().empty());
  }
  EXPECT_FALSE(open(folder / "file", OpenKind::kCreate).has_value());
}

TEST_F(OpenBackend, TakesOnlyAFolderOfItsOwnForANewRepository) {
  const io::TemporaryFolder folder;
  const auto put = [&](const std::string& path) {
    const ByteView text = as_bytes("x");
    ASSERT_TRUE(io::create_file(path, {&text, 1}, io::Durability::kUnsynced).has_value());
  };
  EXPECT_TRUE(check_is_free(folder / "missing", world).has_value());
  EXPECT_TRUE(check_is_free(folder.path(), world).has_value());
  for (const char* const name : {"lost+found", "keys"}) {
    ASSERT_TRUE(io::make_directories(folder / name).has_value());
    EXPECT_TRUE(check_is_free(folder.path(), world).has_value()) << name;
  }
  put(folder / "holiday.jpg");
  const auto foreign = check_is_free(folder.path(), world);
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(foreign.error().hint().empty());
  put(folder / "config");
  EXPECT_TRUE(check_is_free(folder.path(), world).has_value());
}

TEST_F(OpenBackend, SaysWhichKindsWorkWithoutShowingCredentials) {
  for (const char* const url : {"other://SECRET", "rest:http://SECRET"}) {
    const auto opened = open(url);
    ASSERT_FALSE(opened.has_value()) << url;
    EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument) << url;
    EXPECT_EQ(opened.error().describe().find("SECRET"), std::string::npos) << url;
    EXPECT_NE(opened.error().hint().find("file:///"), std::string::npos) << url;
  }
}

TEST_F(OpenBackend, RefusesUrlsThatNameNoFolder) {
  for (const char* const url : {"", "file:/x", "file://host/x", "file://", "file:///a%2",
                                "file:///a%zz", "file:///a%00b"}) {
    const auto opened = open(url, OpenKind::kCreate);
    ASSERT_FALSE(opened.has_value()) << url;
    EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument) << url;
  }
}

TEST_F(OpenBackend, ShowsNoSecretsOfUrlsOfS3) {
  for (const char* const url : {"s3://KEY:SECRET@bucket/x", "s3://bucket/x?secret=SECRET"}) {
    const auto opened = open(url);
    ASSERT_FALSE(opened.has_value()) << url;
    EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument) << url;
    EXPECT_EQ(opened.error().describe().find("SECRET"), std::string::npos);
  }
}

}  // namespace
}  // namespace backstay::backend
