#include "io/unnamed_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "io/metadata.h"
#include "io/node.h"
#include "io/testing/as_nobody.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

class UnnamedFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = open_folder_path(home_.path()).value();
    Result<Fd> file = create_unnamed(folder_.get(), ".", 0440);
    if (!file && file.error().code() == ErrorCode::kUnsupported) GTEST_SKIP();
    ASSERT_TRUE(file) << file.error().message();
    file_ = *std::move(file);
    ASSERT_TRUE(write_full(file_.get(), as_bytes("text")));
  }

  TemporaryFolder home_;
  Fd folder_;
  Fd file_;
};

TEST_F(UnnamedFile, IsSeenByNobodyUntilItIsNamed) {
  EXPECT_TRUE(names_in(folder_.get()).value().empty());
  ASSERT_TRUE(name_unnamed(file_.get(), folder_.get(), "file"));
  const FileStatus status = full_status_at(folder_.get(), "file").value();
  EXPECT_TRUE(status.same_file(full_status_of(file_.get()).value()));
  EXPECT_EQ(status.links, 1U);
  EXPECT_EQ(status.size, 4U);
  EXPECT_EQ(status.mode & 0007U, 0U);
}

TEST_F(UnnamedFile, TakesNoNameThatIsTaken) {
  ASSERT_TRUE(make_symlink_at(folder_.get(), "link", "elsewhere"));
  ASSERT_TRUE(make_folder_at(folder_.get(), "folder", 0700));
  ASSERT_TRUE(create_regular_at(folder_.get(), "file", 0600));
  for (const char* name : {"link", "folder", "file"}) {
    const Result<void> named = name_unnamed(file_.get(), folder_.get(), name);
    ASSERT_FALSE(named) << name;
    EXPECT_EQ(named.error().code(), ErrorCode::kAlreadyExists) << name;
  }
  EXPECT_EQ(full_status_at(folder_.get(), "link").value().kind, FileKind::kSymlink);
  EXPECT_FALSE(full_status_at(folder_.get(), "elsewhere"));
  EXPECT_EQ(full_status_at(folder_.get(), "file").value().size, 0U);
}

TEST_F(UnnamedFile, ThatWasNamedTakesNoSecondNameForAFirst) {
  ASSERT_TRUE(name_unnamed(file_.get(), folder_.get(), "file"));
  const Result<void> again = name_unnamed(file_.get(), folder_.get(), "file");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
}

TEST_F(UnnamedFile, IsNamedByItsOwnerWithoutRootsRights) {
  ASSERT_EQ(::chmod(home_.path().c_str(), 0777), 0);
  expect_without_root([&] {
    const Result<Fd> file = create_unnamed(folder_.get(), ".", 0400);
    ASSERT_TRUE(file);
    EXPECT_TRUE(name_unnamed(file->get(), folder_.get(), "file"));
  });
  EXPECT_EQ(full_status_at(folder_.get(), "file").value().mode, 0400U);
}

TEST(UnnamedFileWithoutPlace, SaysThatTheFolderIsGone) {
  const TemporaryFolder home;
  const Result<Fd> file = create_unnamed(AT_FDCWD, home.path() + "/missing", 0600);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace backstay::io
