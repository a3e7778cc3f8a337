// Checks that take turns: what was verified when is remembered, and never more than that.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "engine/check.h"
#include "engine/check/pack_check.h"
#include "engine/check/verified_packs.h"
#include "engine/testing/backup_fixture.h"
#include "io/file.h"
#include "io/testing/temporary_folder.h"

namespace backstay::engine {
namespace {

using check_stages::VerifiedPacks;
using std::chrono::hours;

class CheckTurns : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
    first_ = *backup_well().id;
    tree_.add_file("/home/user/new", noise(20'000, 500));
    backup_well();
    packs_ = names("data/").size() + names("meta/").size();
    ASSERT_GE(packs_, 4U);
  }
  Result<CheckReport> try_check(const CheckOptions& options) {
    watch_ = std::make_unique<Watch>();
    auto repository = try_open({.cache_directory = caches()});
    if (!repository) return std::unexpected(std::move(repository).error());
    Activity activity = watch_->activity();
    if (about_to_run) about_to_run();
    return check(**repository, options, activity);
  }
  CheckReport check_well(const CheckOptions& options) {
    auto report = try_check(options);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : CheckReport{};
  }
  static CheckOptions of_age(std::optional<std::chrono::seconds> age) {
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    options.max_age = age;
    options.threads = 1;
    return options;
  }
  [[nodiscard]] std::string caches() const { return folder_ / "cache"; }
  [[nodiscard]] std::string state_file() const { return caches() + "/" + open_id_ + "/verified"; }
  void find_state() { open_id_ = open_past_faults()->config().id.hex(); }

  io::TemporaryFolder folder_;
  std::string open_id_;
  snapshot::SnapshotId first_;
  std::size_t packs_ = 0;
};

TEST_F(CheckTurns, ReadsOnlyWhatIsDue) {
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
  clock_.advance(hours(23));
  CheckReport again = check_well(of_age(hours(24)));
  EXPECT_EQ(again.packs_read, 0U);
  EXPECT_EQ(again.packs_fresh, packs_);
  tree_.add_file("/later", noise(9'000, 501));
  backup_well();
  const std::size_t more = names("data/").size() + names("meta/").size() - packs_;
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, more);
  clock_.advance(hours(2));
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
  // Without an age everything is read, whatever is remembered.
  EXPECT_EQ(check_well(of_age({})).packs_read, packs_ + more);
}

TEST_F(CheckTurns, GoesOnWhereACheckWasStopped) {
  const std::string last = names("data/").back();
  faults_.fail_reads(last, ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(try_check(of_age(hours(24)))), "unavailable");
  find_state();
  const VerifiedPacks verified = VerifiedPacks::load(state_file(), clock_.now());
  std::size_t known = 0;
  for (const std::string& name : names("data/")) {
    if (verified.verified_at(*repo::parse_object_name(repo::ObjectKind::kDataPack, name))) ++known;
  }
  EXPECT_EQ(known, names("data/").size() - 1);
}

TEST_F(CheckTurns, TakesFirstWhatWasNotVerifiedForLongest) {
  check_well(of_age(hours(1)));
  clock_.advance(hours(2));
  tree_.add_file("/later", noise(9'000, 501));
  backup_well();
  // How many packs a backup makes is its own affair: its threads share the work as they come.
  const std::size_t added = names("data/").size() + names("meta/").size() - packs_;
  ASSERT_GT(added, 0U);
  CheckOptions little = of_age(hours(1));
  little.read_data.mode = ReadData::Mode::kBytes;
  little.read_data.bytes = 1;
  for (std::size_t i = 0; i < added; ++i) EXPECT_EQ(check_well(little).packs_read, 1U);
  find_state();
  const VerifiedPacks verified = VerifiedPacks::load(state_file(), clock_.now());
  std::size_t young = 0;
  for (const auto& prefix : {"data/", "meta/"}) {
    for (const std::string& name : names(prefix)) {
      const auto kind = std::string_view(prefix) == "data/" ? repo::ObjectKind::kDataPack
                                                            : repo::ObjectKind::kMetaPack;
      const auto at = verified.verified_at(*repo::parse_object_name(kind, name));
      ASSERT_TRUE(at.has_value()) << name;
      if (*at == clock_.now().seconds) ++young;
    }
  }
  EXPECT_EQ(young, added);
}

TEST_F(CheckTurns, AMemoryThatIsLostOrDamagedCostsTimeOnly) {
  find_state();
  check_well(of_age(hours(24)));
  const Bytes whole = *io::read_file(state_file(), 1 << 20);
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    Bytes flipped = whole;
    flipped[at] ^= 1;
    EXPECT_EQ(problem(io::replace_file(state_file(), flipped)), "");
    EXPECT_EQ(VerifiedPacks::load(state_file(), clock_.now())
                  .verified_at(*repo::parse_object_name(repo::ObjectKind::kDataPack,
                                                        names("data/").front())),
              std::nullopt);
  }
  for (std::size_t size = 0; size < whole.size(); size += 9) {
    EXPECT_EQ(problem(io::replace_file(state_file(), ByteView(whole).first(size))), "");
    EXPECT_FALSE(
        VerifiedPacks::load(state_file(), clock_.now())
            .is_fresh(*repo::parse_object_name(repo::ObjectKind::kDataPack, names("data/").front()),
                      hours(24), clock_.now()));
  }
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
  std::filesystem::remove(state_file());
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
}

TEST_F(CheckTurns, NothingCountsAsVerifiedInTheFuture) {
  clock_.advance(hours(24 * 365));  // wrong for this check alone
  check_well(of_age(hours(24)));
  clock_.advance(-hours(24 * 365));
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
  // And not later either, when that time has come.
  clock_.advance(hours(24 * 365));
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
}

TEST_F(CheckTurns, ADamagedPackIsReadAgainEachTime) {
  check_well(of_age(hours(24)));
  replace(names("data/").front(), [](Bytes& bytes) { bytes[repo::kHeaderSize + 9] ^= 1; });
  // It was whole a moment ago: that is what was asked for.
  EXPECT_TRUE(check_well(of_age(hours(24))).damages.empty());
  EXPECT_EQ(check_well(of_age({})).damages.size(), 1U);
  const CheckReport report = check_well(of_age(hours(24)));
  EXPECT_EQ(report.damages.size(), 1U);
  EXPECT_EQ(report.packs_read, 1U);
}

TEST_F(CheckTurns, TheTreesComeBeforeThePacks) {
  CheckOptions options = of_age({});
  options.max_duration = std::chrono::seconds(0);
  const CheckReport nothing = check_well(options);
  EXPECT_TRUE(nothing.stopped_by_time);
  EXPECT_FALSE(nothing.structure_complete);
  EXPECT_EQ(nothing.packs_left, packs_);
  EXPECT_GT(nothing.bytes_left, 0U);
  options.max_duration.reset();
  const CheckReport all = check_well(options);
  EXPECT_TRUE(all.structure_complete);
  EXPECT_EQ(all.packs_left, 0U);
  EXPECT_EQ(all.bytes_left, 0U);
}

TEST(ChoosePacks, TakesFirstWhatWasNotReadForLongestAlsoWithoutAnAge) {
  constexpr Timestamp kNow{.seconds = 1'000'000, .nanos = 0};
  std::vector<repo::Index::Pack> packs(3);
  for (std::size_t i = 0; i < packs.size(); ++i)
    packs[i].id.bytes[0] = static_cast<std::uint8_t>(i + 1);
  io::TemporaryFolder folder;
  VerifiedPacks verified = VerifiedPacks::load(folder / "verified", kNow);
  verified.add(packs[0].id, kNow);
  verified.add(packs[1].id, {.seconds = kNow.seconds - 10, .nanos = 0});
  ReadData all;
  all.mode = ReadData::Mode::kAll;
  SeededRng rng(1);
  const auto chosen = check_stages::choose_packs(
      packs, all, rng, {.verified = verified, .max_age = {}, .now = kNow});
  ASSERT_EQ(chosen.packs.size(), 3U);
  EXPECT_EQ(chosen.packs[0].id, packs[2].id);
  EXPECT_EQ(chosen.packs[1].id, packs[1].id);
  EXPECT_EQ(chosen.packs[2].id, packs[0].id);
}

TEST_F(CheckTurns, WithoutAKeySmallObjectsComeFirstAndMissingThemIsSaid) {
  CheckOptions options;
  options.max_duration = std::chrono::seconds(0);
  Watch watch;
  Activity activity = watch.activity();
  const auto report = check_names(faults_, options, activity);
  ASSERT_EQ(problem(report), "");
  EXPECT_FALSE(report->structure_complete);
  options.max_duration.reset();
  faults_.fail_reads(names("data/").front(), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(check_names(faults_, options, activity)), "unavailable");
}

// One pack that is closed to this user does not hide the damage of another.
TEST_F(CheckTurns, WhatWasFoundBeforeTheStoreFailedIsMarkedAndSaid) {
  std::vector<std::string> all = names("data/");
  replace(all.front(), [](Bytes& bytes) { bytes[repo::kHeaderSize + 1] ^= 1; });
  faults_.fail_reads(all.back(), ErrorCode::kPermissionDenied);
  ASSERT_NE(all.front(), all.back());
  EXPECT_EQ(code_of(try_check(of_age({}))), "permission_denied");
  EXPECT_EQ(names("damaged/").size(), 1U);
  EXPECT_EQ(watch_->trouble_paths(), std::vector<std::string>{all.front()});
}

TEST_F(CheckTurns, EverythingThatIsTouchedIsTold) {
  for (std::uint64_t i = 0; i < 60; ++i)
    tree_.add_file("/many/" + std::to_string(i), noise(200, 900 + i));
  backup_well();
  for (const std::string& name : names("data/")) remove(name);
  std::set<std::pair<std::string, std::string>> told;
  CheckOptions options;
  options.affected = [&](const Affected& one) {
    told.emplace(one.snapshot.hex(), one.path);
    EXPECT_FALSE(one.from_here_on);
  };
  const CheckReport report = check_well(options);
  std::uint64_t total = 0;
  for (const Damage& damage : report.damages) {
    total += damage.affected_total;
    EXPECT_LE(damage.affects.size(), kAffectedMax);
    EXPECT_LE(damage.snapshots, 3U);
    EXPECT_FALSE(damage.next.empty());
  }
  EXPECT_GT(total, 60U);
  // All that are not empty, in each of three snapshots.
  EXPECT_EQ(told.size(), 44U + 45U + 105U);
}

TEST_F(CheckTurns, WithoutAKeyTurnsAreTakenToo) {
  CheckOptions options;
  options.max_age = hours(24);
  options.caches = caches();
  options.threads = 2;
  const auto run = [&] {
    Watch watch;
    Activity activity = watch.activity();
    auto report = check_names(faults_, options, activity);
    EXPECT_EQ(problem(report), "");
    return std::move(*report);
  };
  EXPECT_EQ(run().packs_read, packs_);
  const CheckReport again = run();
  EXPECT_EQ(again.packs_read, 0U);
  EXPECT_EQ(again.packs_fresh, packs_);
  EXPECT_GT(again.objects_verified, 0U);
  // It is not what a check with a key knows.
  EXPECT_EQ(check_well(of_age(hours(24))).packs_read, packs_);
}

}  // namespace
}  // namespace backstay::engine
