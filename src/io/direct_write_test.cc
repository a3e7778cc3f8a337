#include "io/direct_write.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/page_buffer.h"
#include "io/file.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

Bytes numbered(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return bytes;
}

class WriteDirect : public testing::Test {
 protected:
  void expect_written(std::span<const ByteView> pieces) {
    const std::string path = folder_ / ("file" + std::to_string(++files_));
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd);
    ASSERT_TRUE(write_direct(fd.get(), pieces).has_value());
    Bytes wanted;
    for (const ByteView piece : pieces) append(wanted, piece);
    EXPECT_EQ(read_file(path, wanted.size() + 1).value(), wanted);
    EXPECT_EQ(::fcntl(fd.get(), F_GETFL) & O_DIRECT, 0) << "later writes go as they always did";
  }

  TemporaryFolder folder_;
  int files_ = 0;
};

TEST_F(WriteDirect, WritesExactlyTheBytesWhateverTheirLength) {
  for (const std::size_t size : {0U, 1U, 4095U, 4096U, 4097U, 262144U, 262145U, 1000000U}) {
    const Bytes bytes = numbered(size);
    const ByteView piece = bytes;
    expect_written({&piece, 1});
  }
}

TEST_F(WriteDirect, JoinsPiecesOfAlignedAndOtherMemory) {
  const PageBuffer pages(3 * 4096);
  const Bytes bytes = numbered(pages.size());
  std::copy(bytes.begin(), bytes.end(), pages.data());
  const ByteView whole(pages.data(), pages.size());
  const ByteView pieces[] = {whole, whole.first(5000), ByteView(bytes).first(70), whole,
                             whole.subspan(1)};
  expect_written(pieces);
}

class WritesToADirectFile : public testing::Test {
 protected:
  WritesToADirectFile()
      : fd_(::open((folder_ / "file").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {}

  Bytes written() { return read_file(folder_ / "file", 1 << 24).value(); }

  TemporaryFolder folder_;
  Fd fd_;
  PageBuffer stage_{DirectFile::kStageBytes};
};

TEST_F(WritesToADirectFile, FillItInAnyOrderWithPiecesOfAnyLength) {
  const Bytes bytes = numbered(3'000'001);
  const DirectFile file(fd_.get());
  std::vector<std::size_t> borders{0};
  for (std::size_t step = 1; borders.back() < bytes.size(); step = step * 3 % 1'000'003 + 1) {
    borders.push_back(std::min(bytes.size(), borders.back() + step));
  }
  for (std::size_t parity : {1U, 0U}) {
    for (std::size_t i = parity; i + 1 < borders.size(); i += 2) {
      const ByteView piece = ByteView(bytes).subspan(borders[i], borders[i + 1] - borders[i]);
      ASSERT_TRUE(file.write(piece, borders[i], stage_).has_value());
    }
  }
  EXPECT_EQ(written(), bytes);
}

TEST_F(WritesToADirectFile, LeaveAloneWhatIsBesideThem) {
  const Bytes old(20'000, 0xee);
  ASSERT_TRUE(pwrite_full(fd_.get(), old, 0).has_value());
  const DirectFile file(fd_.get());
  const Bytes fresh = numbered(9'000);
  ASSERT_TRUE(file.reserve(5'000, fresh.size()).has_value());
  ASSERT_TRUE(file.write(fresh, 5'000, stage_).has_value());
  Bytes wanted = old;
  std::ranges::copy(fresh, wanted.begin() + 5'000);
  EXPECT_EQ(written(), wanted);
}

TEST_F(WritesToADirectFile, FromSeveralThreadsDoNotDisturbEachOther) {
  constexpr std::size_t kPiece = 50'001;
  const Bytes bytes = numbered(40 * kPiece);
  const DirectFile file(fd_.get());
  ASSERT_TRUE(file.reserve(0, bytes.size()).has_value());
  const auto write_each_fourth = [&](std::size_t first) {
    const PageBuffer stage(DirectFile::kStageBytes);
    for (std::size_t i = first; i < 40; i += 4) {
      const ByteView piece = ByteView(bytes).subspan(i * kPiece, kPiece);
      EXPECT_TRUE(file.write(piece, i * kPiece, stage).has_value());
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < 4; ++i) threads.emplace_back(write_each_fourth, i);
  threads.clear();
  EXPECT_EQ(written(), bytes);
}

TEST_F(WritesToADirectFile, ReserveNoSpaceThatANumberCannotName) {
  const DirectFile file(fd_.get());
  const Result<void> reserved = file.reserve(UINT64_MAX - 5, 10);
  EXPECT_TRUE(reserved || reserved.error().code() == ErrorCode::kInvalidArgument);
  EXPECT_TRUE(written().empty());
}

}  // namespace
}  // namespace backstay::io
