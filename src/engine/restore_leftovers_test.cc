// What a restore makes of the files that other restores left or are writing.
#include <gmock/gmock.h>

#include "engine/restore.h"
#include "engine/restore/leftovers.h"
#include "engine/restore/temporary_names.h"
#include "engine/testing/restore_fixture.h"
#include "io/file.h"

namespace backstay::engine {
namespace {

using restoring::parse_temporary_name;
using restoring::TemporaryName;
using restoring::TemporaryNames;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kPartial = "/.backstay-0123456789abcdef-1f.partial";
constexpr const char* kMoved = "/.backstay-0123456789abcdef-0.moved-large";

TEST(TemporaryNames, AreKnownAgain) {
  SeededRng rng(1);
  SeededRng other_rng(2);
  TemporaryNames names(rng);
  const TemporaryNames other(other_rng);
  for (int i = 0; i < 300; ++i) {
    const auto parsed = parse_temporary_name(names.next());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->kind, TemporaryName::Kind::kNew);
    EXPECT_TRUE(names.is_own(*parsed));
    EXPECT_FALSE(other.is_own(*parsed));
  }
  for (const std::string& name : {std::string("a.bin"), std::string("-"), std::string(200, 'x')}) {
    const auto parsed = parse_temporary_name(names.next_for(name));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->kind, TemporaryName::Kind::kMovedAside);
    EXPECT_EQ(parsed->original, name);
  }
  const std::string unnamed = names.next_for(std::string(255, 'x'));
  EXPECT_LE(unnamed.size(), 255U);
  ASSERT_TRUE(parse_temporary_name(unnamed));
  EXPECT_EQ(parse_temporary_name(unnamed)->original, "");
}

TEST(TemporaryNames, OtherNamesAreNotTakenForThem) {
  for (const char* name :
       {".backstay-.partial", ".backstay-notes.partial", ".backstay-0123456789abcdef.partial",
        ".backstay-0123456789abcdef-.partial", ".backstay-0123456789abcdef-1g.partial",
        ".backstay-0123456789ABCDEF-1.partial", ".backstay-0123456789abcdef-01.partial",
        ".backstay-0123456789abcdef-00.partial", ".backstay-123456789abcdef-1.partial",
        ".backstay-00123456789abcdef-1.partial", ".backstay-0123456789abcdef-1.partial.old",
        ".backstay-0123456789abcdef-1.partial-a", ".backstay-0123456789abcdef-1.moved-",
        ".backstay-0123456789abcdef-1.moveda", ".backstay-0123456789abcdef-1",
        ".backstay-0123456789abcdef-11111111111111111.partial",
        "backstay-0123456789abcdef-1.partial"})
    EXPECT_FALSE(parse_temporary_name(name)) << name;
}

class LeftoversTest : public RestoreFixture {
 protected:
  LeftoversTest() {
    add_file("/large", large_);
    add_file("/small", "small");
    finish();
  }
  // As a restore that still runs holds it.
  [[nodiscard]] io::Fd hold(const std::string& path) const {
    auto file = io::open_file(at(path), io::OpenMode::kRead);
    EXPECT_TRUE(file && io::try_lock(file->get(), io::FileLock::kExclusive).value_or(false));
    return file ? std::move(*file) : io::Fd();
  }
  void restore_small_only() {
    ASSERT_TRUE(options_.includes.add("small", snapshot::Case::kSensitive));
    restore_well();
  }
  const std::string large_ = noise(20'000, 2);
  const std::string mixture_ = noise(20'000, 3);
};

TEST_F(LeftoversTest, NewFilesOfAKilledRestoreAreRemoved) {
  write(kPartial, "half");
  restore_well();
  EXPECT_THAT(names(), ElementsAre("/large", "/small"));
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(LeftoversTest, WhatOnlyLooksLikeALeftoverStays) {
  write("/.backstay-mine.partial/precious", "mine");
  write(std::string(kPartial) + "/precious", "mine");
  write("/.backstay-notes.partial", "mine");
  write("/.backstay-0123456789abcdef-2.partial", "mine");
  std::filesystem::create_hard_link(at("/.backstay-0123456789abcdef-2.partial"), at("/other-name"));
  std::filesystem::create_symlink("/etc", at("/.backstay-0123456789abcdef-3.partial"));
  const auto before = names();
  restore_well();
  for (const std::string& name : before) EXPECT_TRUE(exists(name)) << name;
}

TEST_F(LeftoversTest, FilesThatAnotherRestoreIsWritingStay) {
  add_folder("/folder");
  finish();
  write(kPartial, "half");
  write(kMoved, mixture_);
  write(std::string("/gone") + kPartial, "half");
  const io::Fd partial = hold(kPartial);
  const io::Fd moved = hold(kMoved);
  const io::Fd deeper = hold(std::string("/gone") + kPartial);
  options_.delete_extra = true;
  restore_small_only();
  options_.includes = {};
  restore_well();
  EXPECT_EQ(text_of(kPartial), "half");
  EXPECT_TRUE(text_of(kMoved) == mixture_);
  EXPECT_EQ(text_of(std::string("/gone") + kPartial), "half");
  EXPECT_THAT(notes_, Contains(HasSubstr("another restore is writing it")));
}

TEST_F(LeftoversTest, FileThatAKilledRestoreMovedAsideGetsItsNameBack) {
  write(kMoved, mixture_);
  set_modified(kMoved, {1'600'000'000, 123'456'789});
  restore_small_only();
  EXPECT_TRUE(text_of("/large") == mixture_);
  EXPECT_LT(stat_of("/large").st_mtim.tv_sec, 1);
  EXPECT_THAT(names(), ElementsAre("/large", "/small"));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("both states")));

  for (const Overwrite rule : {Overwrite::kIfChanged, Overwrite::kIfNewer}) {
    std::filesystem::rename(at("/large"), at(kMoved));
    write(kMoved, mixture_);
    options_.includes = {};
    options_.overwrite = rule;
    restore_well();
    EXPECT_TRUE(text_of("/large") == large_);
    EXPECT_THAT(names(), ElementsAre("/large", "/small"));
  }
}

TEST_F(LeftoversTest, FileThatWasMovedAsideIsNeverDeleted) {
  const std::string deeper = std::string("/gone") + kMoved;
  write(kMoved, mixture_);
  write(deeper, mixture_);
  write("/large", "somebody made it anew");
  options_.delete_extra = true;
  for (const bool dry_run : {true, false}) {
    options_.dry_run = dry_run;
    EXPECT_EQ(restore_well().files_deleted, 0U);
  }
  EXPECT_TRUE(text_of("/large") == large_);
  EXPECT_TRUE(text_of(kMoved) == mixture_);
  EXPECT_TRUE(text_of(deeper) == mixture_);
  EXPECT_THAT(notes_, Contains(HasSubstr("another file has that name now")));
}

TEST_F(LeftoversTest, WhereExistingFilesAreLeftAloneNoMixtureGetsAName) {
  write(kMoved, mixture_);
  options_.overwrite = Overwrite::kNever;
  restore_well();
  EXPECT_TRUE(text_of("/large") == large_);
  EXPECT_TRUE(text_of(kMoved) == mixture_);
}

TEST_F(LeftoversTest, AFileThatAnotherRestoreIsRemovingIsNotHeld) {
  write(kPartial, "new");
  const auto ours = io::open_file(at(kPartial), io::OpenMode::kRead);
  {
    const auto theirs = io::open_file(at(kPartial), io::OpenMode::kRead);
    ASSERT_TRUE(ours && theirs &&
                io::try_lock(theirs->get(), io::FileLock::kShared).value_or(false));
    EXPECT_FALSE(restoring::hold_as_written(ours->get())) << "it is about to go";
  }
  EXPECT_TRUE(restoring::hold_as_written(ours->get()));
  ASSERT_TRUE(io::remove_file(at(kPartial)));
  EXPECT_FALSE(restoring::hold_as_written(ours->get())) << "it is gone";
}

TEST_F(LeftoversTest, ARestoreHoldsWhatItWrites) {
  write("/large", mixture_);
  limits_.free_bytes = [](int fd) -> std::uint64_t {
    const auto again = io::open_file("/proc/self/fd/" + std::to_string(fd), io::OpenMode::kRead);
    EXPECT_TRUE(again);
    EXPECT_FALSE(again && io::try_lock(again->get(), io::FileLock::kShared).value_or(true));
    return 0;
  };
  restore_well();
  EXPECT_TRUE(text_of("/large") == large_);
  EXPECT_THAT(names(), ElementsAre("/large", "/small"));
}

}  // namespace
}  // namespace backstay::engine
