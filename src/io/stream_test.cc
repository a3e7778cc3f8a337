#include "io/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "io/file.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

struct Pipe {
  Fd out;
  Fd in;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {.out = Fd(ends[0]), .in = Fd(ends[1])};
}

// Requested while the caller waits, or before: both must end the wait.
std::stop_token stop_soon(std::stop_source& stop, std::jthread& asker) {
  asker = std::jthread([&stop] { stop.request_stop(); });
  return stop.get_token();
}

TEST(Stream, GivesWhatIsThereAndThenItsEnd) {
  Pipe pipe = make_pipe();
  ASSERT_TRUE(write_full(pipe.in.get(), as_bytes("abc")));
  Bytes buffer(10);
  EXPECT_EQ(read_stream(pipe.out.get(), buffer, {}).value(), 3U);
  pipe.in.reset();
  EXPECT_EQ(read_stream(pipe.out.get(), buffer, {}).value(), 0U);
}

TEST(Stream, StopsWaitingForInputWhenAsked) {
  const Pipe pipe = make_pipe();
  std::stop_source stop;
  std::jthread asker;
  Bytes buffer(10);
  const auto got = read_stream(pipe.out.get(), buffer, stop_soon(stop, asker));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), ErrorCode::kCancelled);
}

TEST(Stream, StopsReadingAllWhenOnlyABeginningCame) {
  const Pipe pipe = make_pipe();
  ASSERT_TRUE(write_full(pipe.in.get(), as_bytes("the first name")));
  std::stop_source stop;
  std::jthread asker;
  const auto all = read_whole_stream(pipe.out.get(), 1000, stop_soon(stop, asker));
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().code(), ErrorCode::kCancelled);
}

TEST(Stream, RefusesMoreThanItsLimit) {
  Pipe pipe = make_pipe();
  ASSERT_TRUE(write_full(pipe.in.get(), as_bytes("12345")));
  pipe.in.reset();
  const auto all = read_whole_stream(pipe.out.get(), 4, {});
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().code(), ErrorCode::kInvalidArgument);
}

TEST(Stream, WaitsForTheWriterOfAFifo) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const std::jthread writer([&] {
    const Fd fifo(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(write_full(fifo.get(), as_bytes("secret")));
  });
  EXPECT_EQ(as_text(read_file_or_stream(path, 100, {}).value()), "secret");
}

TEST(Stream, StopsWaitingForTheWriterOfAFifoWhenAsked) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::stop_source stop;
  std::jthread asker;
  const auto read = read_file_or_stream(path, 100, stop_soon(stop, asker));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), ErrorCode::kCancelled);
}

TEST(Stream, WritesMoreThanAPipeHoldsToWhoReadsIt) {
  Pipe pipe = make_pipe();
  Bytes bytes(300'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 / 3);
  Bytes read(bytes.size());
  std::jthread reader([&] { EXPECT_EQ(read_full(pipe.out.get(), read).value(), read.size()); });
  EXPECT_TRUE(write_stream(pipe.in.get(), bytes, {}));
  reader.join();
  EXPECT_EQ(read, bytes);
}

TEST(Stream, StopsWritingWhenNobodyReads) {
  const Pipe pipe = make_pipe();
  std::stop_source stop;
  std::jthread asker;
  const auto written = write_stream(pipe.in.get(), Bytes(1'000'000), stop_soon(stop, asker));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kCancelled);
}

TEST(Stream, WritesItsLastWordsAfterARequestToStop) {
  const Pipe pipe = make_pipe();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(write_stream(pipe.in.get(), as_bytes("interrupted"), stop.get_token()));
  Bytes buffer(100);
  EXPECT_EQ(read_stream(pipe.out.get(), buffer, {}).value(), 11U);
}

}  // namespace
}  // namespace backstay::io
