// Repairs of snapshots beside other repairs and beside forgets, and on stores that answer wrongly
// once: whatever comes between any two steps, no snapshot loses what could be read of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/forwarding_backend.h"
#include "engine/forget.h"
#include "engine/testing/repair_fixture.h"

namespace backstay::engine {
namespace {

// Lets somebody else do something before or after one of the changes of the store.
class CrossedStore final : public backend::ForwardingBackend {
 public:
  enum class When : std::uint8_t { kBefore, kAfter };
  CrossedStore(backend::Backend& inner, std::uint64_t number, When when,
               std::function<void()> other)
      : ForwardingBackend(inner), number_(number), when_(when), other_(std::move(other)) {}

  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    return change([&] { return inner_.put(name, pieces); });
  }
  Result<void> remove(std::string_view name) override {
    return change([&] { return inner_.remove(name); });
  }
  [[nodiscard]] bool done() const { return changes_ >= number_; }

 private:
  template <typename Change>
  Result<void> change(const Change& what) {
    const bool now = ++changes_ == number_;
    if (now && when_ == When::kBefore) other_();
    auto changed = what();
    if (now && when_ == When::kAfter) other_();
    return changed;
  }

  std::uint64_t changes_ = 0;
  const std::uint64_t number_;
  const When when_;
  const std::function<void()> other_;
};

class RepairRaces : public RepairFixture {
 protected:
  void SetUp() override {
    RepairFixture::SetUp();
    // So that rules may choose among them.
    for (const char* kind : {"holds/", "tags/"}) {
      for (const std::string& name : names(kind)) remove(name);
    }
    remove(pack_with("/home/user/large"));
    damaged_ = memory_.objects();
    ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
    mended_once_ = readable(true);
    ASSERT_FALSE(mended_once_.empty());
    memory_.set_objects(damaged_);
  }
  std::unique_ptr<repo::Repository> open_through(std::unique_ptr<backend::Backend> store) {
    auto repository = repo::Repository::open(std::move(store), repo::test_credential(), {},
                                             {.clock = clock_, .rng = rng_});
    EXPECT_EQ(problem(repository), "");
    return std::move(*repository);
  }
  static Result<SnapshotRepairReport> mend(repo::Repository& repository) {
    Watch watch;
    Activity activity = watch.activity();
    return repair_snapshots(
        repository, {.mode = RepairMode::kRepair, .snapshots = {}, .author = {}}, {}, activity);
  }
  Result<ForgetReport> keep_the_last(repo::Repository& repository) {
    Watch watch;
    Activity activity = watch.activity();
    ForgetOptions options;
    options.retention.last = 1;
    options.host = "host";
    return forget(repository, options, {}, activity);
  }
  // Runs `one` again and again, each time with `other` at another of its changes.
  void cross(const std::function<void(repo::Repository&)>& one,
             const std::function<void(repo::Repository&)>& other,
             const std::function<void()>& look) {
    for (const auto when : {CrossedStore::When::kBefore, CrossedStore::When::kAfter}) {
      for (std::uint64_t number = 1;; ++number) {
        SCOPED_TRACE(number);
        memory_.set_objects(damaged_);
        auto store = std::make_unique<CrossedStore>(memory_, number, when,
                                                    [&] { other(*open_through(pass())); });
        const CrossedStore& interrupted = *store;
        auto repository = open_through(std::move(store));
        one(*repository);
        const bool done = interrupted.done();
        repository.reset();
        look();
        if (!done) break;
        ASSERT_LT(number, 500U);
      }
    }
  }
  std::unique_ptr<backend::Backend> pass() {
    return std::make_unique<backend::ForwardingBackend>(memory_);
  }
  // Of the snapshot that was begun last.
  [[nodiscard]] Readable newest_of(const Readable& all) const {
    Readable found;
    for (const auto& [key, bytes] : all) {
      if (key.first == truth_.rbegin()->first) found.emplace(key, bytes);
    }
    return found;
  }

  MemoryBackend::Objects damaged_;
  Readable mended_once_;
};

TEST_F(RepairRaces, TwoRepairsAtOnceLeaveEachSnapshotOnceAtLeast) {
  const auto repair = [](repo::Repository& repository) {
    EXPECT_EQ(problem(mend(repository)), "");
  };
  cross(repair, repair, [this] {
    EXPECT_EQ(missing_in(readable(), mended_once_), "");
    // And the next one has nothing to do.
    const auto again = mend_snapshots(RepairMode::kRepair);
    ASSERT_EQ(problem(again), "");
    EXPECT_EQ(again->replaced + again->left, 0U);
  });
}

TEST_F(RepairRaces, AForgetDuringARepairLeavesTheNewest) {
  cross([](repo::Repository& repository) { EXPECT_EQ(problem(mend(repository)), ""); },
        [this](repo::Repository& repository) { EXPECT_EQ(problem(keep_the_last(repository)), ""); },
        [this] { EXPECT_EQ(missing_in(readable(), newest_of(mended_once_)), ""); });
}

TEST_F(RepairRaces, ARepairDuringAForgetLeavesTheNewest) {
  cross([this](repo::Repository& repository) { (void)keep_the_last(repository); },
        [](repo::Repository& repository) { EXPECT_EQ(problem(mend(repository)), ""); },
        [this] { EXPECT_EQ(missing_in(readable(), newest_of(mended_once_)), ""); });
}

TEST_F(RepairRaces, WhatACutRepairLeftIsForgottenByNobodyBesideTheRepairThatGoesOn) {
  // Both stand, and nobody has a lease.
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair, true)), "");
  ASSERT_EQ(names("snapshots/").size(), 4U);
  damaged_ = memory_.objects();
  cross([](repo::Repository& repository) { EXPECT_EQ(problem(mend(repository)), ""); },
        [this](repo::Repository& repository) { EXPECT_EQ(problem(keep_the_last(repository)), ""); },
        [this] { EXPECT_EQ(missing_in(readable(), newest_of(mended_once_)), ""); });
}

// ---- stores that answer wrongly

TEST_F(RepairRaces, OneReadThatFailsCostsNothing) {
  memory_.set_objects(whole_);
  // So that repairs read it.
  const auto id = *repo::parse_object_name(ObjectKind::kDataPack, pack_with("/home/user/large"));
  ASSERT_EQ(problem(repo::mark_damaged(memory_, open_past_faults()->config().id, id,
                                       repo::PackKind::kData, clock_.now())),
            "");
  const auto marked = memory_.objects();
  const Readable before = readable(true);
  for (const ErrorCode code : {ErrorCode::kCorruption, ErrorCode::kNotFound}) {
    for (std::uint64_t number = 1;; ++number) {
      SCOPED_TRACE(number);
      memory_.set_objects(marked);
      backend::FaultBackend failing(memory_);
      const auto repository = open_through(
          std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(failing)));
      failing.fail_at(failing.calls() + number, code);
      const std::uint64_t last = failing.calls() + number;
      (void)mend(*repository);
      ASSERT_EQ(missing_in(readable(true), before), "");
      if (failing.calls() < last) break;
    }
  }
}

TEST_F(RepairRaces, APackThatIsListedAndNotFoundIsNotLost) {
  memory_.set_objects(whole_);
  const std::string pack = pack_with("/home/user/large");
  const auto id = *repo::parse_object_name(ObjectKind::kDataPack, pack);
  ASSERT_EQ(problem(repo::mark_damaged(memory_, open_past_faults()->config().id, id,
                                       repo::PackKind::kData, clock_.now())),
            "");
  const auto marked = memory_.objects();
  faults_.fail_reads(pack, ErrorCode::kNotFound);
  EXPECT_EQ(code_of(mend_snapshots(RepairMode::kDryRun)), "unavailable");
  EXPECT_EQ(code_of(mend_snapshots(RepairMode::kRepair)), "unavailable");
  EXPECT_EQ(names("snapshots/").size(), 2U);
}

TEST_F(RepairRaces, NothingIsDoneWhileAGenerationCannotBeRead) {
  const repo::RepositoryId id = open_past_faults()->config().id;
  for (const auto& name : names("index/")) flip(name, 100);
  // Whole by itself, and made by somebody without a key.
  const std::string planted = "generations/00000000000000000002";
  put(planted, repo::encode_plain_object(ObjectKind::kGeneration, id, Bytes{}));
  const auto report = try_check();
  ASSERT_EQ(problem(report), "");
  EXPECT_TRUE(std::ranges::any_of(report->damages, [&](const Damage& damage) {
    return damage.object == planted && !damage.next.empty();
  }));
  const auto before = memory_.objects();
  for (const RepairMode mode : {RepairMode::kDryRun, RepairMode::kRepair}) {
    EXPECT_EQ(code_of(mend_snapshots(mode)), "corruption");
    EXPECT_EQ(code_of(mend_index(mode)), "corruption");
    EXPECT_EQ(code_of(mend_packs(mode)), "corruption");
  }
  EXPECT_EQ(memory_.objects(), before);
}

}  // namespace
}  // namespace backstay::engine
