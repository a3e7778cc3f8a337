#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "io/testing/temporary_folder.h"
#include "library/backstay.h"

namespace backstay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class LibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(source_ + "/folder");
    write(source_ + "/folder/one", "first");
    write(source_ + "/two", std::string(300'000, 'x'));
    std::filesystem::create_symlink("two", source_ + "/link");
  }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static std::string problem(const Error& error) { return error.describe(); }

  [[nodiscard]] Access access() const { return {.url = folder_.path() + "/repository"}; }
  Repository made() const {
    auto repository = Repository::init(access(), {.encryption = Encryption::kNone});
    EXPECT_TRUE(repository) << repository.error().describe();
    return *std::move(repository);
  }
  [[nodiscard]] BackupRequest request() const { return {.paths = {source_}, .host = "here"}; }

  io::TemporaryFolder folder_;
  const std::string source_ = folder_.path() + "/source";
};

TEST_F(LibraryTest, BacksUpAndFindsWhatItBackedUp) {
  Repository repository = made();
  const auto first = repository.back_up(request());
  ASSERT_TRUE(first) << problem(first.error());
  EXPECT_EQ(first->files_new, 3U);
  EXPECT_TRUE(first->snapshot->complete);
  write(source_ + "/folder/one", "second");
  const auto second = repository.back_up(request());
  ASSERT_TRUE(second) << problem(second.error());
  EXPECT_EQ(second->files_changed, 1U);
  EXPECT_EQ(second->snapshot->parent, first->snapshot->id);

  const auto all = repository.snapshots();
  ASSERT_TRUE(all) << problem(all.error());
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ(all->front().id, first->snapshot->id);
  EXPECT_EQ(all->back().host, "here");
  EXPECT_THAT(all->back().paths, ElementsAre(source_));
}

TEST_F(LibraryTest, ShowsAnySnapshotThatIsAskedFor) {
  Repository repository = made();
  ASSERT_TRUE(repository.back_up(request()));
  write(source_ + "/folder/one", "second");
  ASSERT_TRUE(repository.back_up(request()));
  for (const auto& [which, content] :
       {std::pair("latest", "second"), std::pair("latest~1", "first")}) {
    auto view = repository.view(which);
    ASSERT_TRUE(view) << problem(view.error());
    std::string bytes;
    ASSERT_TRUE(view->read(source_ + "/folder/one", [&](std::span<const std::uint8_t> piece) {
      bytes.append(piece.begin(), piece.end());
      return Result<void>();
    }));
    EXPECT_EQ(bytes, content);
  }
  EXPECT_EQ(repository.view("latest~2").error().code(), ErrorCode::kNotFound);
}

TEST_F(LibraryTest, WalksAFolderAndListsIt) {
  Repository repository = made();
  ASSERT_TRUE(repository.back_up(request()));
  auto view = repository.view("latest");
  ASSERT_TRUE(view) << problem(view.error());
  std::vector<std::string> names;
  const View::EachEntry note = [&](const FileEntry& entry) {
    names.push_back(entry.path.substr(source_.size()));
    return Result<void>();
  };
  ASSERT_TRUE(view->walk(source_, note));
  EXPECT_THAT(names, ElementsAre("/folder", "/folder/one", "/link", "/two"));
  names.clear();
  ASSERT_TRUE(view->list(source_, note));
  EXPECT_THAT(names, ElementsAre("/folder", "/link", "/two"));

  const auto found = view->find(source_ + "/link");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->type, FileType::kSymlink);
  EXPECT_EQ((*found)->symlink_target, "two");
  const auto missing = view->find("/nowhere");
  ASSERT_TRUE(missing);
  EXPECT_FALSE(*missing);
}

TEST_F(LibraryTest, EndsAWalkWhereTheCallerHasSeenEnough) {
  Repository repository = made();
  ASSERT_TRUE(repository.back_up(request()));
  auto view = repository.view("latest");
  ASSERT_TRUE(view);
  int seen = 0;
  const auto ended = view->walk("/", [&](const FileEntry&) -> Result<void> {
    ++seen;
    return fail(ErrorCode::kCancelled, "enough");
  });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message(), "enough");
  EXPECT_EQ(seen, 1);
}

TEST_F(LibraryTest, RestoresAPartAndTellsHowFarItIs) {
  Repository repository = made();
  ASSERT_TRUE(repository.back_up(request()));
  auto view = repository.view("latest");
  ASSERT_TRUE(view);
  std::atomic<int> told = 0;
  std::atomic<std::uint64_t> done = 0;
  const auto restored =
      view->restore({.target = folder_.path() + "/target", .subpath = source_, .verify = true},
                    {.trouble = {}, .progress = [&](const Progress& progress) {
                       ++told;
                       done = progress.files_done;
                     }});
  ASSERT_TRUE(restored) << problem(restored.error());
  EXPECT_EQ(restored->files_restored, 3U);
  EXPECT_EQ(read(folder_.path() + "/target/folder/one"), "first");
  EXPECT_GE(told, 1);
  EXPECT_EQ(done, 3U);
  const auto again = view->restore({.target = folder_.path() + "/target", .subpath = source_});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->files_unchanged, 3U);
  EXPECT_EQ(view->restore({}).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(LibraryTest, NeverBacksUpOrOverwritesTheRepositoryItself) {
  Repository repository = made();
  const auto result = repository.back_up({.paths = {folder_.path()}});
  ASSERT_TRUE(result) << problem(result.error());
  auto view = repository.view("latest");
  ASSERT_TRUE(view);
  const auto inside = view->find(folder_.path() + "/repository");
  ASSERT_TRUE(inside);
  EXPECT_FALSE(*inside);
  EXPECT_FALSE(view->restore({.target = folder_.path() + "/repository"}));
}

TEST_F(LibraryTest, OpensNothingWithTheWrongPassphrase) {
  Access locked = access();
  EXPECT_EQ(Repository::init(locked).error().code(), ErrorCode::kInvalidArgument);
  locked.passphrase = "right";
  ASSERT_TRUE(Repository::init(locked));
  EXPECT_EQ(Repository::init(locked).error().code(), ErrorCode::kAlreadyExists);
  locked.passphrase = "wrong";
  EXPECT_EQ(Repository::open(locked).error().code(), ErrorCode::kWrongKey);
  locked.passphrase = "right";
  EXPECT_TRUE(Repository::open(locked));
  locked.url += "-elsewhere";
  EXPECT_EQ(Repository::open(locked).error().code(), ErrorCode::kNoRepository);
}

TEST_F(LibraryTest, IsNotDeceivedByARepositoryWithoutEncryption) {
  made();
  Access expecting = access();
  expecting.passphrase = "secret";
  EXPECT_EQ(Repository::open(expecting).error().code(), ErrorCode::kWrongKey);
}

TEST_F(LibraryTest, ForgetsPrunesAndChecks) {
  Repository repository = made();
  const auto first = repository.back_up(request());
  ASSERT_TRUE(first);
  write(source_ + "/two", "smaller");
  ASSERT_TRUE(repository.back_up(request()));
  ASSERT_TRUE(repository.forget({first->snapshot->id}));
  EXPECT_THAT(*repository.snapshots(), SizeIs(1));
  EXPECT_EQ(repository.forget({"no id"}).error().code(), ErrorCode::kInvalidArgument);
  const auto pruned = repository.prune();
  ASSERT_TRUE(pruned) << problem(pruned.error());
  const auto checked = repository.check(CheckDepth::kEveryByte);
  ASSERT_TRUE(checked) << problem(checked.error());
  EXPECT_THAT(checked->damages, IsEmpty());
  EXPECT_GT(checked->bytes_read, 0U);
}

TEST_F(LibraryTest, TellsWhatCouldNotBeReadAndStopsWhenAsked) {
  std::stop_source stop;
  Access stoppable = access();
  stoppable.stop = stop.get_token();
  auto repository = Repository::init(stoppable, {.encryption = Encryption::kNone});
  ASSERT_TRUE(repository);
  std::atomic<int> troubles = 0;
  BackupRequest some = request();
  some.paths.push_back("/no/such/path");
  const auto made = repository->back_up(
      some, {.trouble = [&](const std::string&, const Error&) { ++troubles; }, .progress = {}});
  ASSERT_TRUE(made) << problem(made.error());
  EXPECT_EQ(made->errors, 1U);
  EXPECT_EQ(troubles, 1);
  EXPECT_FALSE(made->snapshot->complete);
  stop.request_stop();
  EXPECT_EQ(repository->back_up(request()).error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace backstay
