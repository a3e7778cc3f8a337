#include "io/direct_write.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

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

}  // namespace
}  // namespace backstay::io
