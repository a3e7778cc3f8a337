// What every source promises, asked of each of them.
#include <gmock/gmock.h>

#include <functional>
#include <map>
#include <thread>

#include "snapshot/entry.h"
#include "source/stream_source.h"
#include "source/testing/scratch_tree.h"

namespace backstay::source {
namespace {

struct Kind {
  std::string name;
  std::function<Result<std::unique_ptr<Source>>(const std::string& folder)> open;
  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

class SourceContract : public ScratchTree, public testing::WithParamInterface<Kind> {
 protected:
  SourceContract() {
    make_folder("a/b");
    write("a/b/small", "text");
    write("a/large", std::string(300'000, 'l'));
    write("a/empty", "");
    write("sparse", "begin");
    std::filesystem::resize_file(at("sparse"), 1'000'000);
    link_to("a", "link");
    auto opened = GetParam().open(top());
    EXPECT_TRUE(opened.has_value());
    if (opened) source_ = *std::move(opened);
  }
  std::vector<SourceItem> all_items() {
    walk(*source_);
    return walked_.items;
  }

  std::unique_ptr<Source> source_;
};

TEST_P(SourceContract, KeysAscendStrictlyAndAreValid) {
  const auto items = all_items();
  ASSERT_FALSE(items.empty());
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_TRUE(snapshot::validate_key(items[i].key).has_value());
    if (i > 0) {
      EXPECT_LT(items[i - 1].key, items[i].key);
    }
  }
}

TEST_P(SourceContract, EveryItemStandsInAFolderGivenBefore) {
  std::map<std::string, snapshot::EntryType> seen;
  for (const SourceItem& item : all_items()) {
    if (item.key.empty()) {
      EXPECT_EQ(item.entry.type, snapshot::EntryType::kDirectory);
    } else {
      const auto parent = seen.find(std::string(snapshot::parent_of_key(item.key)));
      ASSERT_NE(parent, seen.end()) << snapshot::path_from_key(item.key);
      EXPECT_EQ(parent->second, snapshot::EntryType::kDirectory);
    }
    seen[item.key] = item.entry.type;
  }
}

TEST_P(SourceContract, EveryEntryCanBeStored) {
  for (const SourceItem& item : all_items()) {
    snapshot::Entry entry = item.entry;
    if (entry.size_bytes > 0) {  // the content is the engine's work
      entry.content.extents = {{snapshot::ExtentKind::kHole, entry.size_bytes, {}, 0}};
    }
    Bytes record;
    snapshot::encode_entry(entry, record);
    const auto back = snapshot::decode_entry(record);
    ASSERT_TRUE(back.has_value()) << item.key << ": " << back.error().describe();
    EXPECT_EQ(*back, entry);
  }
}

TEST_P(SourceContract, StaysAtItsEnd) {
  all_items();
  EXPECT_FALSE(source_->next().value().has_value());
  EXPECT_FALSE(source_->next().value().has_value());
}

TEST_P(SourceContract, FilesAreReadOnOtherThreadsAfterTheWalk) {
  int files = 0;
  for (SourceItem& item : all_items()) {
    if (item.entry.type != snapshot::EntryType::kFile) continue;
    ++files;
    std::jthread([&] {
      const auto reader = source_->open(item);
      ASSERT_TRUE(reader.has_value()) << reader.error().describe();
      std::uint64_t at = 0;
      Bytes buffer(64 * 1024);
      while (true) {
        const auto run = (*reader)->next_run();
        ASSERT_TRUE(run.has_value());
        if (!*run) break;
        EXPECT_EQ((*run)->offset, at);
        EXPECT_GT((*run)->length, 0U);
        if ((*run)->hole) {
          at += (*run)->length;
          continue;
        }
        while (const std::size_t got = (*reader)->read(buffer).value()) at += got;
        EXPECT_EQ((*reader)->read(buffer).value(), 0U) << "the end of a run is its end";
      }
      EXPECT_FALSE((*reader)->next_run().value().has_value()) << "the end of a file is its end";
      EXPECT_EQ((*reader)->entry_now().value().size_bytes, at);
      EXPECT_EQ((*reader)->entry_now().value().type, snapshot::EntryType::kFile);
    }).join();
  }
  EXPECT_GT(files, 0);
}

TEST_P(SourceContract, OnlyRegularFilesCanBeOpened) {
  for (SourceItem& item : all_items()) {
    if (item.entry.type == snapshot::EntryType::kFile) continue;
    EXPECT_EQ(source_->open(item).error().code(), ErrorCode::kInvalidArgument);
  }
}

Result<std::unique_ptr<Source>> open_files(const std::string& folder) {
  FileSourceOptions options;
  options.paths = {folder};
  options.with_atime = true;
  return open_file_source(std::move(options), [](const auto& path, const Error& error) {
    ADD_FAILURE() << path << ": " << error.describe();
  });
}

Result<std::unique_ptr<Source>> open_command(const std::string& folder) {
  static const SystemClock kClock;
  StreamSourceOptions options;
  options.path = "/some/folder/dump";
  options.command = {"cat", folder + "/a/large"};
  return open_stream_source(std::move(options), kClock);
}

INSTANTIATE_TEST_SUITE_P(Sources, SourceContract,
                         testing::Values(Kind{"files", open_files}, Kind{"command", open_command}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace backstay::source
