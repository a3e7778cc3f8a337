#include "source/stream_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "io/testing/temporary_folder.h"
#include "snapshot/tree_key.h"

namespace backstay::source {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FixedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return {1000, 5}; }
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override { return {}; }
};

std::vector<SourceItem> all_items(Source& source) {
  std::vector<SourceItem> items;
  while (auto item = *source.next()) items.push_back(*std::move(item));
  return items;
}

Result<std::string> read_stream(FileReader& reader) {
  const auto run = reader.next_run();
  EXPECT_EQ((*run)->offset, 0U);
  EXPECT_EQ((*run)->length, UINT64_MAX);
  EXPECT_FALSE((*run)->hole);
  std::string text;
  std::array<std::uint8_t, 700> buffer;
  while (true) {
    auto got = reader.read(buffer);
    if (!got) return std::unexpected(std::move(got).error());
    if (*got == 0) break;
    text.append(as_text(ByteView(buffer).first(*got)));
  }
  EXPECT_FALSE(reader.next_run().value().has_value());
  return text;
}

Result<std::unique_ptr<Source>> run_command(std::vector<std::string> command, const Clock& clock,
                                            std::stop_token stop = {}) {
  StreamSourceOptions options;
  options.stop = std::move(stop);
  options.path = "/dumps/base.sql";
  options.command = std::move(command);
  return open_stream_source(std::move(options), clock);
}

TEST(StreamSource, StandsInFoldersOfItsOwn) {
  const FixedClock clock;
  const auto source = *run_command({"true"}, clock);
  const auto items = all_items(*source);
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[0].key, "");
  EXPECT_EQ(snapshot::path_from_key(items[1].key), "/dumps");
  EXPECT_EQ(snapshot::path_from_key(items[2].key), "/dumps/base.sql");
  EXPECT_EQ(items[1].entry.type, snapshot::EntryType::kDirectory);
  EXPECT_EQ(items[1].entry.mode, 0755U);
  EXPECT_EQ(items[2].entry.type, snapshot::EntryType::kFile);
  EXPECT_EQ(items[2].entry.mode, 0600U);
  EXPECT_EQ(items[2].entry.modified, clock.now());
}

TEST(StreamSource, GivesTheOutputOfACommand) {
  const FixedClock clock;
  const auto source = *run_command({"seq", "1", "20000"}, clock);
  auto items = all_items(*source);
  const auto reader = *source->open(items.back());
  const std::string text = read_stream(*reader).value();
  EXPECT_TRUE(text.starts_with("1\n2\n3\n"));
  EXPECT_TRUE(text.ends_with("\n20000\n"));
  EXPECT_EQ(reader->entry_now().value().size_bytes, text.size());
}

TEST(StreamSource, FillsTheBufferFromAPipeThatTrickles) {
  const FixedClock clock;
  const auto source =
      *run_command({"sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.01; done"}, clock);
  const auto reader = *source->open(all_items(*source).back());
  ASSERT_TRUE(reader->next_run().has_value());
  std::array<std::uint8_t, 10> buffer;
  EXPECT_EQ(*reader->read(buffer), 10U);
  EXPECT_EQ(*reader->read(buffer), 0U);
}

TEST(StreamSource, ACommandThatFailsMakesTheLastReadFail) {
  const FixedClock clock;
  const auto source = *run_command({"sh", "-c", "echo half a dump; exit 3"}, clock);
  const auto reader = *source->open(all_items(*source).back());
  const auto text = read_stream(*reader);
  ASSERT_FALSE(text.has_value());
  EXPECT_THAT(text.error().describe(), HasSubstr("3"));
  std::array<std::uint8_t, 10> buffer;
  EXPECT_FALSE(reader->read(buffer).has_value()) << "a failure must not be forgotten";
}

TEST(StreamSource, ACommandThatIsKilledMakesTheLastReadFail) {
  const FixedClock clock;
  const auto source = *run_command({"sh", "-c", "echo half; kill -9 $$"}, clock);
  const auto reader = *source->open(all_items(*source).back());
  EXPECT_FALSE(read_stream(*reader).has_value());
}

TEST(StreamSource, ACommandThatIsSilentIsEndedWhenAsked) {
  const FixedClock clock;
  // Silent before the end of its output, and after it.
  for (const char* const command : {"exec sleep 100", "exec >&-; exec sleep 100"}) {
    std::stop_source stop;
    const auto source = *run_command({"sh", "-c", command}, clock, stop.get_token());
    const auto reader = *source->open(all_items(*source).back());
    const std::jthread asker([&] { stop.request_stop(); });
    const auto text = read_stream(*reader);
    ASSERT_FALSE(text.has_value()) << command;
    EXPECT_EQ(text.error().code(), ErrorCode::kCancelled) << command;
  }
}

TEST(StreamSource, ACommandThatDoesNotExistIsRefusedAtOnce) {
  const FixedClock clock;
  EXPECT_FALSE(run_command({"backstay-no-such-program"}, clock).has_value());
}

TEST(StreamSource, CanBeReadOnce) {
  const FixedClock clock;
  const auto source = *run_command({"true"}, clock);
  auto items = all_items(*source);
  EXPECT_FALSE(source->open(items.front()).has_value());
  EXPECT_TRUE(source->open(items.back()).has_value());
  EXPECT_FALSE(source->open(items.back()).has_value());
}

TEST(StreamSource, RefusesPathsThatNameNoFile) {
  const FixedClock clock;
  for (const std::string& path :
       {std::string("/"), std::string(""), std::string("/a\0b", 4), "/" + std::string(256, 'n')}) {
    StreamSourceOptions options;
    options.path = path;
    const auto source = open_stream_source(std::move(options), clock);
    ASSERT_FALSE(source.has_value());
    EXPECT_EQ(source.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(StreamSourceDeathTest, StopsWaitingForStandardInputWhenAsked) {
  const FixedClock clock;
  const io::TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  const auto wait_for_input = [&] {
    // Open for writing too, so that nobody waits for a writer and the end never comes.
    if (std::freopen((folder / "fifo").c_str(), "r+", stdin) == nullptr) std::exit(1);
    std::stop_source stop;
    StreamSourceOptions options;
    options.stop = stop.get_token();
    const auto source = *open_stream_source(std::move(options), clock);
    const auto reader = *source->open(all_items(*source).back());
    std::jthread asker([&] { stop.request_stop(); });
    const auto text = read_stream(*reader);
    asker.join();
    std::exit(!text && text.error().code() == ErrorCode::kCancelled ? 42 : 1);
  };
  EXPECT_EXIT(wait_for_input(), testing::ExitedWithCode(42), "");
}

TEST(StreamSourceDeathTest, GivesStandardInput) {
  const FixedClock clock;
  const io::TemporaryFolder folder;
  std::ofstream(folder / "input") << "from standard input";
  const auto copy_input = [&] {
    if (std::freopen((folder / "input").c_str(), "r", stdin) == nullptr) std::exit(1);
    const auto source = *open_stream_source({}, clock);
    const auto reader = *source->open(all_items(*source).back());
    std::exit(read_stream(*reader).value() == "from standard input" ? 42 : 1);
  };
  EXPECT_EXIT(copy_input(), testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace backstay::source
