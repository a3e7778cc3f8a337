#include <gmock/gmock.h>
#include <sys/xattr.h>

#include <atomic>
#include <thread>

#include "base/bounded_queue.h"

#include "source/testing/scratch_tree.h"

namespace backstay::source {
namespace {

using FileReading = ScratchTree;

TEST_F(FileReading, GivesTheBytesOfEveryFile) {
  make_folder("folder");
  write("folder/file", "text");
  write("empty", "");
  const std::string large(3'000'000, 'L');
  write("large", large);
  const auto source = open();
  walk(*source);
  EXPECT_EQ(read_all(**source->open(*walked_.find(at("folder/file")))), "text");
  EXPECT_EQ(read_all(**source->open(*walked_.find(at("empty")))), "");
  EXPECT_EQ(read_all(**source->open(*walked_.find(at("large")))), large);
}

TEST_F(FileReading, RunsCoverDataAndHolesInOrder) {
  constexpr std::uint64_t kBlock = 64 * 1024;
  write("sparse", std::string(kBlock, 'a'));
  const io::Fd fd(::open(at("sparse").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::pwrite(fd.get(), "b", 1, 1LL << 40), 1);
  ASSERT_EQ(::ftruncate(fd.get(), (1LL << 40) + (1LL << 30)), 0);
  const auto source = open();
  walk(*source);
  EXPECT_EQ(walked_.find(at("sparse"))->entry.size_bytes, (1ULL << 40) + (1ULL << 30));
  const auto reader = *source->open(*walked_.find(at("sparse")));
  std::vector<FileRun> runs;
  Bytes buffer(kBlock);
  while (true) {
    const auto run = reader->next_run();
    ASSERT_TRUE(run.has_value());
    if (!*run) break;
    runs.push_back(**run);
    while (!(*run)->hole && *reader->read(buffer) > 0) continue;
  }
  ASSERT_EQ(runs.size(), 4U);
  EXPECT_FALSE(runs[0].hole);
  EXPECT_EQ(runs[0].length, kBlock);
  EXPECT_TRUE(runs[1].hole);
  EXPECT_EQ(runs[1].offset + runs[1].length, runs[2].offset);
  EXPECT_FALSE(runs[2].hole);
  EXPECT_LE(runs[2].length, kBlock);
  EXPECT_TRUE(runs[3].hole);
  EXPECT_EQ(runs[3].offset + runs[3].length, (1ULL << 40) + (1ULL << 30));
}

TEST_F(FileReading, AFileThatShrinksEndsEarly) {
  write("file", std::string(100'000, 'x'));
  const auto source = open();
  walk(*source);
  const auto reader = *source->open(*walked_.find(at("file")));
  ASSERT_TRUE(reader->next_run().has_value());
  Bytes buffer(1000);
  ASSERT_EQ(*reader->read(buffer), 1000U);
  std::filesystem::resize_file(at("file"), 1500);
  ASSERT_EQ(*reader->read(buffer), 500U);
  EXPECT_EQ(*reader->read(buffer), 0U);
  EXPECT_FALSE(reader->next_run().value().has_value());
  EXPECT_EQ(reader->entry_now().value().size_bytes, 1500U);
}

TEST_F(FileReading, AFileThatShrinksBeforeItsHoleHasNoHole) {
  write("file", "");
  std::filesystem::resize_file(at("file"), 1 << 20);
  const auto source = open();
  walk(*source);
  const auto reader = *source->open(*walked_.find(at("file")));
  std::filesystem::resize_file(at("file"), 0);
  EXPECT_FALSE(reader->next_run().value().has_value());
}

TEST_F(FileReading, AFileThatGrowsIsReadToTheSizeItHadWhenOpened) {
  write("log", "first");
  const auto source = open();
  walk(*source);
  const auto reader = *source->open(*walked_.find(at("log")));
  std::ofstream(at("log"), std::ios::app) << " second";
  EXPECT_EQ(read_all(*reader), "first");
  EXPECT_EQ(reader->entry_now().value().size_bytes, 12U);
}

TEST_F(FileReading, TheEntryAfterReadingIsTheSameWhenNothingChanged) {
  write("file", "text");
  ::setxattr(at("file").c_str(), "user.a", "1", 1, 0);
  const auto source = open();
  walk(*source);
  SourceItem& item = *walked_.find(at("file"));
  const auto reader = *source->open(item);
  read_all(*reader);
  EXPECT_EQ(reader->entry_now().value(), item.entry);
  ASSERT_EQ(::chmod(at("file").c_str(), 0611), 0);
  EXPECT_EQ(reader->entry_now().value().mode, 0611U);
  EXPECT_EQ(reader->entry_now().value().xattrs, item.entry.xattrs);
}

TEST_F(FileReading, AFileThatWasReplacedSinceTheWalkIsOpenedAsItIsNow) {
  write("file", "old");
  const auto source = open();
  walk(*source);
  write("new", "newer");
  std::filesystem::rename(at("new"), at("file"));
  SourceItem& item = *walked_.find(at("file"));
  const std::uint64_t inode_before = item.entry.inode;
  const auto reader = *source->open(item);
  EXPECT_EQ(read_all(*reader), "newer");
  EXPECT_NE(item.entry.inode, inode_before);
  EXPECT_EQ(item.entry.size_bytes, 5U);
  EXPECT_EQ(reader->entry_now().value(), item.entry);
}

TEST_F(FileReading, AFileThatIsReplacedAfterItWasOpenedIsSeenByItsChangeTime) {
  write("file", "old");
  const auto source = open();
  walk(*source);
  SourceItem& item = *walked_.find(at("file"));
  const auto reader = *source->open(item);
  write("new", "newer");
  std::filesystem::rename(at("new"), at("file"));
  EXPECT_EQ(read_all(*reader), "old");
  EXPECT_NE(reader->entry_now().value().changed, item.entry.changed);
}

TEST_F(FileReading, AFileThatVanishedIsNotFound) {
  make_folder("folder");
  write("folder/file", "text");
  write("file", "text");
  const auto source = open();
  walk(*source);
  remove("folder");
  remove("file");
  for (const char* name : {"file", "folder/file"}) {
    const auto reader = source->open(*walked_.find(at(name)));
    ASSERT_FALSE(reader.has_value());
    EXPECT_EQ(reader.error().code(), ErrorCode::kNotFound);
  }
}

TEST_F(FileReading, AFileSwappedForSomethingElseIsNeitherFollowedNorWaitedFor) {
  for (const char* name : {"fifo", "link", "folder"}) write(name, "text");
  const auto source = open();
  walk(*source);
  for (const char* name : {"fifo", "link", "folder"}) remove(name);
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  link_to("/etc/hostname", "link");
  make_folder("folder");
  for (const char* name : {"fifo", "link", "folder"}) {
    const auto reader = source->open(*walked_.find(at(name)));
    ASSERT_FALSE(reader.has_value()) << name;
    EXPECT_EQ(reader.error().code(), ErrorCode::kConflict) << name;
  }
}

TEST_F(FileReading, AFolderSwappedForALinkIsNotFollowed) {
  make_folder("folder/inner");
  make_folder("elsewhere");
  write("folder/inner/file", "mine");
  write("elsewhere/file", "a secret");
  FileSourceOptions options;
  options.open_directories_max = 0;  // no folder stays open for the readers
  const auto source = open(std::move(options));
  walk(*source);
  remove("folder/inner");
  link_to("../elsewhere", "folder/inner");
  const auto reader = source->open(*walked_.find(at("folder/inner/file")));
  ASSERT_FALSE(reader.has_value());
  EXPECT_EQ(reader.error().code(), ErrorCode::kConflict);
}

TEST_F(FileReading, AFileThatMayNotBeReadIsRefusedWhenOpened) {
  write("file", "text");
  ASSERT_EQ(::chmod(top().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(at("file").c_str(), 0), 0);
  const OrdinaryUser user;
  const auto source = open();
  walk(*source);
  ASSERT_NE(walked_.find(at("file")), nullptr);
  EXPECT_EQ(source->open(*walked_.find(at("file"))).error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(FileReading, OnlyRegularFilesCanBeOpened) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  const auto source = open();
  walk(*source);
  for (const std::string& path : {at("fifo"), top()}) {
    EXPECT_EQ(source->open(*walked_.find(path)).error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST_F(FileReading, ManyThreadsOpenFilesWhileTheWalkGoesOn) {
  for (int folder = 0; folder < 40; ++folder) {
    make_folder("d" + std::to_string(folder) + "/inner");
    for (int file = 0; file < 5; ++file) {
      const std::string name = "d" + std::to_string(folder) + "/inner/f" + std::to_string(file);
      write(name, name);
    }
  }
  FileSourceOptions options;
  options.open_directories_max = 8;
  const auto source = open(std::move(options));
  BoundedQueue<SourceItem> queue(16);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 4; ++i) {
      readers.emplace_back([&] {
        while (auto item = queue.pop()) {
          const std::string path = snapshot::path_from_key(item->key);
          const auto reader = source->open(*item);
          if (reader && read_all(**reader) == path.substr(top().size() + 1)) ++right;
        }
      });
    }
    while (auto item = *source->next()) {
      if (item->entry.type == snapshot::EntryType::kFile) queue.push(*std::move(item));
    }
    queue.close();
  }
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace backstay::source
