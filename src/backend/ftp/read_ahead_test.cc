#include "backend/ftp/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace backstay::backend::ftp {
namespace {

struct FtpReadAhead : ::testing::Test {
  FtpReadAhead() : file(20 << 20) { SeededRng(3).fill(file); }

  // Whether the bytes are the file's.
  [[nodiscard]] bool reads(const std::string& path, std::uint64_t offset, std::size_t size) {
    Bytes out(size);
    const auto got = ahead.read(path, offset, out, [&](std::uint64_t from, std::uint64_t most) {
      ++fetches;
      fetched += most;
      return Result<Bytes>(part(from, most));
    });
    const Bytes wanted = part(offset, size);
    return got && *got == wanted.size() && std::ranges::equal(wanted, ByteView(out).first(*got));
  }
  [[nodiscard]] Bytes part(std::uint64_t from, std::uint64_t most) const {
    const std::uint64_t start = std::min<std::uint64_t>(from, file.size());
    const std::uint64_t size = std::min<std::uint64_t>(most, file.size() - start);
    const ByteView bytes =
        ByteView(file).subspan(static_cast<std::size_t>(start), static_cast<std::size_t>(size));
    return {bytes.begin(), bytes.end()};
  }

  Bytes file;
  ReadAhead ahead;
  int fetches = 0;
  std::uint64_t fetched = 0;
};

TEST_F(FtpReadAhead, FetchesWhatIsReadPieceByPieceInFewSteps) {
  constexpr std::size_t kPiece = 100'000;
  for (std::uint64_t offset = 0; offset < file.size(); offset += kPiece) {
    ASSERT_TRUE(reads("pack", offset, kPiece)) << offset;
  }
  EXPECT_LE(fetches, 9);
}

TEST_F(FtpReadAhead, FetchesNoMoreThanOneAskedForHereAndThere) {
  for (const std::uint64_t offset : {19'000'000U, 5'000'000U, 100U, 9'000'000U}) {
    ASSERT_TRUE(reads("pack", offset, 1000));
  }
  EXPECT_EQ(fetched, 4000U);
}

TEST_F(FtpReadAhead, GivesNothingOfAFileThatChangedOrOfAnother) {
  ASSERT_TRUE(reads("one", 0, 1000));
  std::ranges::fill(file, std::uint8_t{7});
  EXPECT_TRUE(reads("two", 0, 1000));
  ahead.forget("one");
  EXPECT_TRUE(reads("one", 0, 1000));
}

TEST_F(FtpReadAhead, EndsWhereTheFileEnds) {
  ASSERT_TRUE(reads("pack", file.size() - 2'000'000, 1'000'000));
  EXPECT_TRUE(reads("pack", file.size() - 1'000'000, 1'000'000));
  EXPECT_TRUE(reads("pack", file.size() - 10, 20)) << "ten bytes";
  EXPECT_TRUE(reads("pack", file.size() + 10, 20)) << "none";
}

}  // namespace
}  // namespace backstay::backend::ftp
