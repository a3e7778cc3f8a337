// Retention and append-only mode of a folder. What only the kernel does is tried where this process
// may set the immutable flag, and skipped elsewhere.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "backend/local_backend.h"
#include "backend/local_retention.h"
#include "io/attributes.h"
#include "io/testing/as_nobody.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend {
namespace {

constexpr const char* kPack = "data/3f/a";

struct LocalKeeping : ::testing::Test {
  void SetUp() override {
    ASSERT_TRUE(backend->put(kPack, as_bytes("x")).has_value());
    ASSERT_TRUE(backend->put("snapshots/b", as_bytes("y")).has_value());
    ASSERT_TRUE(backend->put("leases/c-0000000000", as_bytes("z")).has_value());
  }
  [[nodiscard]] std::string path(const std::string& name) const { return root + "/" + name; }
  [[nodiscard]] Timestamp in_hours(std::int64_t hours) const {
    return {.seconds = backend->store_time()->seconds + hours * 3600, .nanos = 0};
  }
  [[nodiscard]] bool immutable(const std::string& name) const {
    const auto fd = io::open_file(path(name), io::OpenMode::kRead);
    return is_immutable(fd->get());
  }
  void set_attribute(const std::string& name, std::string_view value) const {
    const auto fd = io::open_file(path(name), io::OpenMode::kRead);
    ASSERT_TRUE(
        io::set_xattr({fd->get()}, "user.backstay.retained-until", as_bytes(value)).has_value());
  }
  [[nodiscard]] ErrorCode removal_of(const char* name) const {
    const auto removed = backend->remove(name);
    return removed ? ErrorCode::kInternal : removed.error().code();
  }
  [[nodiscard]] std::unique_ptr<LocalBackend> opened_again() const {
    return std::move(LocalBackend::open(root)).value();
  }

  io::TemporaryFolder folder;
  std::string root = folder / "repository";
  std::unique_ptr<LocalBackend> backend = std::move(LocalBackend::create(root)).value();
};

#define NEEDS_LOCK()                        \
  if (!backend->capabilities().object_lock) \
  GTEST_SKIP() << "this file system has no extended attributes of users"
#define NEEDS_KERNEL()                        \
  if (!backend->capabilities().lock_by_store) \
  GTEST_SKIP() << "the immutable flag needs CAP_LINUX_IMMUTABLE and a file system that has it"

TEST_F(LocalKeeping, KeepsWhatIsRetainedFromTheFilesOwnerToo) {
  NEEDS_KERNEL();
  ASSERT_TRUE(backend->retain(kPack, in_hours(1)).has_value());
  EXPECT_TRUE(immutable(kPack));
  EXPECT_EQ(::unlink(path(kPack).c_str()), -1) << "not even root removes it by hand";
  EXPECT_EQ(::rename(path(kPack).c_str(), path("data/3f/away").c_str()), -1);
  EXPECT_FALSE(std::ofstream(path(kPack)).is_open()) << "nor overwrites it";
  EXPECT_FALSE(immutable("snapshots/b"));
}

TEST_F(LocalKeeping, ExtendsWhatTheKernelKeepsAndSetsALostFlagAgain) {
  NEEDS_KERNEL();
  ASSERT_TRUE(backend->retain(kPack, in_hours(1)).has_value());
  ASSERT_TRUE(backend->retain(kPack, in_hours(5)).has_value());
  EXPECT_TRUE(immutable(kPack));
  EXPECT_EQ(backend->retention(kPack).value(), in_hours(5));
  // A crash in the middle of an extension leaves the time without the flag.
  const auto fd = io::open_file(path(kPack), io::OpenMode::kRead);
  ASSERT_TRUE(io::clear_protection(fd->get()).value());
  EXPECT_EQ(removal_of(kPack), ErrorCode::kPermissionDenied);
  ASSERT_TRUE(backend->retain(kPack, in_hours(1)).has_value());
  EXPECT_TRUE(immutable(kPack));
  EXPECT_EQ(backend->retention(kPack).value(), in_hours(5));
}

TEST_F(LocalKeeping, TakesTheFlagAwayWithTheObjectWhenItsTimeHasCome) {
  NEEDS_KERNEL();
  const auto fd = io::open_file(path(kPack), io::OpenMode::kRead);
  set_attribute(kPack, "1000000000.000000000");
  ASSERT_TRUE(make_immutable(fd->get()));
  std::filesystem::create_hard_link(path("snapshots/b"), folder / "elsewhere");
  EXPECT_TRUE(backend->remove(kPack).has_value());
  EXPECT_FALSE(std::filesystem::exists(path(kPack)));
}

TEST_F(LocalKeeping, KeepsAllNamesOfAFileThatIsLinkedElsewhere) {
  NEEDS_KERNEL();
  std::filesystem::create_hard_link(path(kPack), folder / "copy");
  std::filesystem::create_hard_link(path(kPack), path(".tmp-0000000000000001"));
  ASSERT_TRUE(backend->retain(kPack, in_hours(1)).has_value());
  EXPECT_EQ(::unlink((folder / "copy").c_str()), -1);
  // A name that a crash left is no reason not to open the repository.
  EXPECT_TRUE(LocalBackend::open(root).has_value());
}

TEST_F(LocalKeeping, RemovesNothingWhoseAttributeSaysNoTime) {
  NEEDS_LOCK();
  for (const char* const value : {"", "soon", "12", "12.5", "12.0000000000", ".000000000", "-",
                                  "99999999999999999999.000000000", "12.00000000x"}) {
    set_attribute(kPack, value);
    EXPECT_EQ(removal_of(kPack), ErrorCode::kCorruption) << value;
    EXPECT_EQ(backend->retention(kPack).error().code(), ErrorCode::kCorruption) << value;
  }
  set_attribute(kPack, "-12.000000000");
  EXPECT_TRUE(backend->remove(kPack).has_value());
}

TEST_F(LocalKeeping, LetsLeasesGoAndNothingElseWhenItIsAppendOnly) {
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOn).has_value());
  EXPECT_TRUE(backend->capabilities().append_only);
  EXPECT_EQ(removal_of(kPack), ErrorCode::kPermissionDenied);
  EXPECT_EQ(removal_of("snapshots/b"), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(backend->remove("snapshots/never-there").has_value());
  EXPECT_TRUE(backend->remove("leases/c-0000000000").has_value());
  ASSERT_TRUE(backend->put("data/3f/new", as_bytes("n")).has_value());
  EXPECT_EQ(removal_of("data/3f/new"), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(backend->barrier().has_value());
  EXPECT_EQ(backend->keeping()->objects, 3U);
}

TEST_F(LocalKeeping, IsAppendOnlyForAllWhoHaveItOpenAlready) {
  const auto other = opened_again();
  EXPECT_FALSE(other->capabilities().append_only);
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOn).has_value());
  EXPECT_TRUE(other->capabilities().append_only);
  EXPECT_FALSE(other->remove(kPack).has_value());
  ASSERT_TRUE(other->set_append_only(AppendOnly::kOff).has_value());
  EXPECT_FALSE(backend->capabilities().append_only);
  EXPECT_TRUE(backend->remove(kPack).has_value());
}

TEST_F(LocalKeeping, BringsWhatIsThereUnderTheKernelWhereItMay) {
  NEEDS_KERNEL();
  EXPECT_EQ(backend->keeping()->by_store, 0U);
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOn).has_value());
  EXPECT_EQ(backend->keeping()->by_store, 2U);
  ASSERT_TRUE(backend->put("data/3f/new", as_bytes("n")).has_value());
  EXPECT_EQ(backend->keeping()->by_store, 3U);
  EXPECT_EQ(::unlink(path(kPack).c_str()), -1);
  EXPECT_EQ(::unlink(path(".append-only").c_str()), -1);
  EXPECT_FALSE(immutable("leases/c-0000000000"));
  // What came without the flag (of a client that may not set it) is brought in the next time.
  const auto fd = io::open_file(path("data/3f/new"), io::OpenMode::kRead);
  ASSERT_TRUE(io::clear_protection(fd->get()).value());
  EXPECT_EQ(backend->keeping()->by_store, 2U);
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOn).has_value());
  EXPECT_EQ(backend->keeping()->by_store, 3U);
}

TEST_F(LocalKeeping, KeepsWhatIsRetainedWhenItIsAppendOnlyNoLonger) {
  NEEDS_LOCK();
  ASSERT_TRUE(backend->retain(kPack, in_hours(1)).has_value());
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOn).has_value());
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOff).has_value());
  ASSERT_TRUE(backend->set_append_only(AppendOnly::kOff).has_value()) << "as it was";
  EXPECT_EQ(removal_of(kPack), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(backend->remove("snapshots/b").has_value());
  EXPECT_EQ(immutable(kPack), backend->capabilities().lock_by_store);
}

TEST_F(LocalKeeping, LeavesTheModeToWhomTheFolderBelongs) {
  if (!io::is_root()) GTEST_SKIP() << "needs root, to be somebody else";
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(root, std::filesystem::perms(0777));
  io::expect_without_root([&] {
    EXPECT_EQ(backend->set_append_only(AppendOnly::kOn).error().code(),
              ErrorCode::kPermissionDenied);
  });
  EXPECT_FALSE(backend->capabilities().append_only);
}

TEST_F(LocalKeeping, RemovesNothingThatOnlyTheKernelKeepsWithoutTheRightTo) {
  NEEDS_KERNEL();
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  for (const char* const name : {"", "data", "data/3f", "data/3f/a"}) {
    ASSERT_EQ(::chown(path(name).c_str(), io::kNobody, io::kNobody), 0);
  }
  ASSERT_TRUE(backend->retain(kPack, in_hours(1)).has_value());
  io::expect_without_root([&] {
    const auto own = opened_again();
    EXPECT_EQ(own->remove(kPack).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(own->retain(kPack, in_hours(9)).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_TRUE(own->retain(kPack, in_hours(0)).has_value()) << "there is nothing to extend";
    EXPECT_EQ(::unlink(path(kPack).c_str()), -1) << "although the file is its own";
  });
}

}  // namespace
}  // namespace backstay::backend
