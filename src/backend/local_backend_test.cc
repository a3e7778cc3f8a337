#include "backend/local_backend.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <utime.h>

#include <filesystem>

#include "backend/testing/backend_contract.h"
#include "base/rng.h"
#include "io/machine.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend {
namespace {

class LocalStore final : public ContractStore {
 public:
  LocalStore() : backend_(std::move(LocalBackend::create(folder_ / "repository")).value()) {}
  Backend& backend() override { return *backend_; }
  void reopen() override {
    backend_ = std::move(LocalBackend::open(folder_ / "repository")).value();
  }

 private:
  io::TemporaryFolder folder_;
  std::unique_ptr<LocalBackend> backend_;
};

INSTANTIATE_TEST_SUITE_P(Local, BackendContract,
                         ::testing::Values(ContractParam{
                             "local", [] { return std::make_unique<LocalStore>(); }}));

struct LocalTest : ::testing::Test {
  [[nodiscard]] std::string path(const std::string& name) const { return root + "/" + name; }
  // Everything below the root, whatever it is.
  [[nodiscard]] std::size_t entries() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }
  [[nodiscard]] std::size_t listed() const {
    std::size_t count = 0;
    const auto done = backend->list("", [&](const ObjectInfo&) -> Result<void> {
      ++count;
      return {};
    });
    EXPECT_TRUE(done.has_value());
    return count;
  }
  void make_file(const std::string& name, std::string_view text) const {
    const ByteView bytes = as_bytes(text);
    ASSERT_TRUE(io::create_file(path(name), {&bytes, 1}, io::Durability::kUnsynced).has_value());
  }

  io::TemporaryFolder folder;
  std::string root = folder / "a/b/repository";
  std::unique_ptr<LocalBackend> backend = std::move(LocalBackend::create(root)).value();
};

unsigned mode_of(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
  return st.st_mode & 07777U;
}

TEST_F(LocalTest, LetsOnlyTheOwnerIn) {
  ASSERT_TRUE(backend->put("data/3f/a", as_bytes("x")).has_value());
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  for (const char* const name : {"", "data", "data/3f"}) EXPECT_EQ(mode_of(path(name)), 0700U);
  for (const char* const name : {"config", "data/3f/a"}) EXPECT_EQ(mode_of(path(name)), 0600U);
}

TEST_F(LocalTest, LeavesNothingBesideTheObjects) {
  ASSERT_TRUE(backend->put("data/3f/a", as_bytes("x")).has_value());
  EXPECT_FALSE(backend->put("data/3f/a", as_bytes("y")).has_value());
  EXPECT_FALSE(backend->put("data/3f/a/b", as_bytes("y")).has_value());
  EXPECT_TRUE(backend->store_time().has_value());
  EXPECT_EQ(entries(), 1U);
}

TEST_F(LocalTest, ListsNeitherStrangersNorLinks) {
  ASSERT_TRUE(backend->put("data/3f/a", as_bytes("x")).has_value());
  for (const char* const name :
       {"data/3f/a~", ".tmp-0123456789abcdef", "data/3f/.tmp-00", "README"}) {
    make_file(name, "not ours");
  }
  std::filesystem::create_directories(path("lost+found/data"));
  std::filesystem::create_symlink(path("data/3f/a"), path("data/3f/link"));
  std::filesystem::create_directory_symlink(root, path("data/loop"));
  EXPECT_EQ(listed(), 1U);
}

TEST_F(LocalTest, TakesALinkForNoObject) {
  make_file("secret", "x");
  std::filesystem::create_symlink(path("secret"), path("config"));
  Bytes out(1);
  EXPECT_EQ(backend->get("config", 10).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(backend->get_range("config", 0, out).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(backend->head("config").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(backend->put("config", as_bytes("y")).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(as_text(backend->get("secret", 10).value()), "x");
}

TEST_F(LocalTest, WorksThroughALinkToItsRoot) {
  ASSERT_TRUE(backend->put("data/3f/a", as_bytes("x")).has_value());
  std::filesystem::create_directory_symlink(root, folder / "link");
  backend = std::move(LocalBackend::open(folder / "link")).value();
  EXPECT_EQ(listed(), 1U);
  EXPECT_TRUE(backend->put("data/3f/b", as_bytes("x")).has_value());
}

TEST_F(LocalTest, RemovesTemporaryFilesThatAreOlderThanADay) {
  const std::string young = ".tmp-0000000000000001";
  const std::string old = ".tmp-0000000000000002";
  make_file(young, "x");
  make_file(old, "x");
  make_file("old-object", "x");
  const std::int64_t now = backend->store_time()->seconds;
  const auto set_age = [&](const std::string& name, std::int64_t seconds) {
    const utimbuf times{now - seconds, now - seconds};
    ASSERT_EQ(::utime(path(name).c_str(), &times), 0);
  };
  set_age(young, 23 * 3600);
  set_age(old, 25 * 3600);
  set_age("old-object", 1000 * 3600);
  ASSERT_TRUE(LocalBackend::open(root).has_value());
  EXPECT_TRUE(std::filesystem::exists(path(young)));
  EXPECT_FALSE(std::filesystem::exists(path(old)));
  EXPECT_EQ(listed(), 1U);
}

TEST_F(LocalTest, NeverMakesItsRootAgain) {
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  std::filesystem::remove_all(root);
  EXPECT_EQ(backend->put("data/3f/a", as_bytes("x")).error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(root));
  const auto listing = backend->list("", [](const ObjectInfo&) -> Result<void> { return {}; });
  EXPECT_EQ(listing.error().code(), ErrorCode::kNotFound);
}

TEST_F(LocalTest, StaysFailedAfterAFailedSync) {
  ASSERT_TRUE(backend->put("data/3f/a", as_bytes("x")).has_value());
  std::filesystem::rename(root, folder / "moved");
  EXPECT_FALSE(backend->barrier().has_value());
  std::filesystem::rename(folder / "moved", root);
  EXPECT_FALSE(backend->barrier().has_value());
  EXPECT_TRUE(std::move(LocalBackend::open(root)).value()->barrier().has_value());
}

TEST_F(LocalTest, ReadsRangesOfMoreObjectsThanItKeepsOpen) {
  for (int i = 0; i < 50; ++i) {
    const std::string text = std::to_string(i + 100);
    ASSERT_TRUE(backend->put("data/00/" + text, as_bytes(text)).has_value());
  }
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 50; ++i) {
      const std::string text = std::to_string(i + 100);
      Bytes out(3);
      ASSERT_TRUE(backend->get_range("data/00/" + text, 0, out).has_value());
      ASSERT_EQ(as_text(out), text);
    }
  }
  std::size_t open = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().starts_with(root)) ++open;
  }
  EXPECT_LE(open, 16U);
  EXPECT_GE(open, 1U);
}

TEST_F(LocalTest, NoticesAnObjectThatWasCutShort) {
  ASSERT_TRUE(backend->put("data/00/a", as_bytes("0123456789")).has_value());
  Bytes out(10);
  ASSERT_TRUE(backend->get_range("data/00/a", 0, out).has_value());
  std::filesystem::resize_file(path("data/00/a"), 4);
  EXPECT_EQ(backend->get_range("data/00/a", 0, out).error().code(), ErrorCode::kCorruption);
}

// A file system of 1 MiB, gone with the test.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, "size=1m,mode=0700") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST_F(LocalTest, SaysThatTheDiskIsFullAndLeavesNothingBehind) {
  const SmallDisk disk(folder / "small");
  if (!disk.mounted()) GTEST_SKIP() << "NOT TESTED: a full disk, because mounting one needs root";
  const auto small = std::move(LocalBackend::open(folder / "small")).value();
  Bytes random(600'000);
  SeededRng(1).fill(random);
  ASSERT_TRUE(small->put("data/00/a", ByteView(random)).has_value());
  const auto full = small->put("data/00/b", ByteView(random));
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().code(), ErrorCode::kNoSpace);
  EXPECT_NE(full.error().describe().find("data/00/b"), std::string::npos);
  EXPECT_FALSE(full.error().hint().empty());
  EXPECT_EQ(small->head("data/00/b").error().code(), ErrorCode::kNotFound);
  // What did not fit takes no space any more.
  EXPECT_TRUE(small->put("data/00/c", ByteView(random).first(300'000)).has_value());
  EXPECT_EQ(io::list_directory(folder / "small/data/00")->size(), 2U);
}

TEST_F(LocalTest, ReadsFromADiskThatCannotBeWritten) {
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  make_file(".tmp-0000000000000001", "x");
  const bool bound =
      ::mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
      ::mount(nullptr, root.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  if (!bound) GTEST_SKIP() << "NOT TESTED: a read-only disk, because mounting one needs root";
  auto opened = LocalBackend::open(root);
  EXPECT_TRUE(opened.has_value());
  if (opened) {
    EXPECT_EQ(as_text((*opened)->get("config", 10).value()), "x");
    EXPECT_TRUE((*opened)->store_time().has_value());
    EXPECT_EQ((*opened)->put("keys/a", as_bytes("x")).error().code(), ErrorCode::kPermissionDenied);
  }
  ::umount2(root.c_str(), MNT_DETACH);
}

TEST(LocalBackend, MakesAnObjectOfAFileWithoutCopyingIt) {
  const io::TemporaryFolder folder;
  const auto backend = LocalBackend::open(folder.path()).value();
  for (const char* const name : {"data/3f/a", "config"}) {
    const io::Fd file = io::create_nameless_file(folder.path()).value();
    ASSERT_TRUE(io::write_full(file.get(), as_bytes("bytes")).has_value());
    const Result<void> put = backend->put_file(name, file.get());
    if (!put && put.error().code() == ErrorCode::kUnsupported) GTEST_SKIP() << "not on this system";
    ASSERT_TRUE(put.has_value()) << put.error().describe();
    EXPECT_EQ(as_text(backend->get(name, 10).value()), "bytes");
    const auto again = backend->put_file(name, file.get());
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
  }
  EXPECT_TRUE(backend->barrier().has_value());
}

}  // namespace
}  // namespace backstay::backend
