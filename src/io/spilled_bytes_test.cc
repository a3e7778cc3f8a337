#include "io/spilled_bytes.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "base/rng.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

// No file of this process grows beyond it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    static_cast<void>(std::signal(SIGXFSZ, handler_));
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  SeededRng(size).fill(bytes);
  return bytes;
}

// In pieces that do not fit its own.
SpilledBytes spill(const std::string& folder, ByteView bytes) {
  SpilledBytes spilled(folder, bytes.size());
  while (!bytes.empty()) {
    const ByteView piece = bytes.first(std::min<std::size_t>(bytes.size(), 300'001));
    EXPECT_TRUE(spilled.append(piece).has_value());
    bytes = bytes.subspan(piece.size());
  }
  return spilled;
}

void expect_to_hold(const SpilledBytes& spilled, const Bytes& bytes) {
  EXPECT_EQ(spilled.size(), bytes.size());
  EXPECT_EQ(spilled.all().value(), bytes);
  EXPECT_EQ(gathered(spilled.stream()).value(), bytes);
  Bytes middle(bytes.size() / 2);
  ASSERT_TRUE(spilled.read(bytes.size() / 4, middle).has_value());
  EXPECT_TRUE(same_bytes(middle, ByteView(bytes).subspan(bytes.size() / 4, middle.size())));
}

TEST(SpilledBytes, AreInMemoryWhenFewAndInANamelessFileWhenMany) {
  const TemporaryFolder folder;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1000}, SpilledBytes::kInMemoryMax,
                                 SpilledBytes::kInMemoryMax + 1, std::size_t{5'000'000}}) {
    const Bytes bytes = random_bytes(size);
    const SpilledBytes spilled = spill(folder / "", bytes);
    EXPECT_EQ(spilled.in_memory(), size <= SpilledBytes::kInMemoryMax) << size;
    expect_to_hold(spilled, bytes);
    EXPECT_TRUE(list_directory(folder / "").value().empty());
  }
}

TEST(SpilledBytes, AreInMemoryWhereNoFileCanBeMade) {
  const TemporaryFolder folder;
  const Bytes bytes = random_bytes(3'000'000);
  for (const std::string& place : {std::string(), folder / "missing"}) {
    const SpilledBytes spilled = spill(place, bytes);
    EXPECT_TRUE(spilled.in_memory());
    expect_to_hold(spilled, bytes);
  }
}

TEST(SpilledBytes, ComeBackToMemoryWhenTheirFileCannotGrow) {
  const TemporaryFolder folder;
  const Bytes bytes = random_bytes(3'000'000);
  SpilledBytes spilled = spill(folder / "", ByteView(bytes).first(2'000'000));
  ASSERT_FALSE(spilled.in_memory());
  {
    const FileSizeLimit limit(2'500'000);
    ASSERT_TRUE(spilled.append(ByteView(bytes).subspan(2'000'000)).has_value());
  }
  EXPECT_TRUE(spilled.in_memory());
  expect_to_hold(spilled, bytes);
}

}  // namespace
}  // namespace backstay::io
