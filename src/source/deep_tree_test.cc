#include <gmock/gmock.h>

#include "source/testing/scratch_tree.h"

namespace backstay::source {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DeepTree : public ScratchTree {
 protected:
  static constexpr int kLevels = 4200;  // longer than PATH_MAX, deeper than 4,096
  static constexpr const char* kName = "level";

  // `levels` folders called `name`, each in the other, with files called `names` in every one whose
  // number `every` divides.
  void dig(int levels, std::initializer_list<const char*> names, int every = 1,
           const std::string& name = kName) {
    io::Fd folder(::open(top().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int level = 0; level < levels; ++level) {
      ASSERT_EQ(::mkdirat(folder.get(), name.c_str(), 0755), 0);
      folder = io::Fd(::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (level % every != 0) continue;
      for (const char* file_name : names) {
        const io::Fd file(::openat(folder.get(), file_name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        const std::string text = file_name + std::to_string(level);
        ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
      }
    }
  }
  static std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      ++count;
    return count;
  }
};

TEST_F(DeepTree, IsWalkedAndReadWithFewDescriptors) {
  constexpr int kEvery = 100;
  dig(kLevels + 1, {"a", "z"}, kEvery);
  FileSourceOptions options;
  options.open_directories_max = 16;
  const std::size_t before = open_descriptors();
  std::size_t most = 0;
  std::size_t files = 0;
  {
    const auto source = open(options);
    std::string last_key;
    while (true) {
      auto item = source->next();
      ASSERT_TRUE(item.has_value());
      if (!*item) break;
      ASSERT_TRUE(last_key.empty() || last_key < (*item)->key);
      last_key = (*item)->key;
      if ((*item)->entry.type != snapshot::EntryType::kFile) continue;
      ++files;
      most = std::max(most, open_descriptors() - before);
      const auto reader = source->open(**item);
      ASSERT_TRUE(reader.has_value()) << reader.error().describe();
      EXPECT_EQ(read_all(**reader)[0], snapshot::name_of_key((*item)->key)[0]);
    }
  }
  EXPECT_EQ(files, 2U * (kLevels / kEvery + 1));
  EXPECT_LE(most, 20U);
  EXPECT_EQ(open_descriptors(), before);

  // The same tree again, by the path of its deepest folder.
  std::string path = top();
  for (int level = 0; level <= kLevels; ++level) path.append("/").append(kName);
  options.paths = {path};
  const auto source = open(std::move(options));
  walk(*source);
  EXPECT_EQ(given().size(), kLevels + 3U);
  EXPECT_EQ(read_all(**source->open(walked_.items.back())), "z4200");
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(DeepTree, WhatHasAPathOfMoreThanAMebibyteIsReportedAndTheRestIsGiven) {
  dig(kLevels, {"a"}, 100, std::string(255, 'n'));
  write("zz", "after it");
  const auto source = open();
  std::string last;
  while (const auto item = *source->next()) {
    last = item->key;
    ASSERT_LE(last.size(), snapshot::kKeyBytesMax);
  }
  ASSERT_EQ(walked_.errors.size(), 1U);
  EXPECT_GT(walked_.errors[0].first.size(), snapshot::kKeyBytesMax);
  EXPECT_EQ(snapshot::name_of_key(last), "zz");
}

TEST_F(DeepTree, AFolderMovedAwayUnderTheWalkIsNotLeftThroughItsNewParent) {
  dig(20, {"a", "z"});
  make_folder("0_trap");
  for (const char* name : {"z", "zz"}) write(std::string("0_trap/") + name, "trap");
  FileSourceOptions options;
  options.open_directories_max = 4;
  const auto source = open(std::move(options));
  std::string path = top();
  for (int level = 0; level < 15; ++level) path.append("/").append(kName);
  const std::string parent = path;
  path.append("/").append(kName);
  walk(*source, path + "/level/a");
  // The folder where the walk is now hangs in another place, but its old parents are still there.
  std::filesystem::rename(path, at("0_trap/moved"));
  walk(*source);
  EXPECT_EQ(walked_.find(parent + "/zz"), nullptr);
  EXPECT_NE(walked_.find(parent + "/z"), nullptr);
  EXPECT_NE(walked_.find(at("level/z")), nullptr);
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(DeepTree, AFolderThatCannotBeFoundAgainIsReported) {
  dig(20, {"a", "z"});
  make_folder("0_trap");
  FileSourceOptions options;
  options.open_directories_max = 4;
  const auto source = open(std::move(options));
  walk(*source, at("level/level/level/level/level/level/level/level/a"));
  std::filesystem::rename(at("level/level/level"), at("0_trap/moved"));
  std::filesystem::rename(at("0_trap/moved/level"), at("0_trap/again"));
  walk(*source);
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("level/level/level")));
  EXPECT_NE(walked_.find(at("level/level/z")), nullptr);
  EXPECT_NE(walked_.find(at("level/z")), nullptr);
  EXPECT_EQ(walked_.find(at("level/level/level/z")), nullptr);
}

}  // namespace
}  // namespace backstay::source
