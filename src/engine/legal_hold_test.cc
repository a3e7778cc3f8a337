// What the store keeps under a legal hold, and lets go when nobody needs it to be kept any more.
#include <gtest/gtest.h>

#include <functional>

#include "backend/forwarding_backend.h"
#include "engine/notes.h"
#include "engine/store_lock.h"
#include "engine/testing/prune_fixture.h"

namespace backstay::engine {
namespace {

// Tells somebody before the first legal hold is ended.
class EndsAreTold final : public backend::ForwardingBackend {
 public:
  EndsAreTold(backend::Backend& inner, std::function<void()> tell)
      : ForwardingBackend(inner), tell_(std::move(tell)) {}
  Result<void> set_legal_hold(std::string_view name, backend::LegalHold hold) override {
    if (hold == backend::LegalHold::kOff) {
      if (const auto tell = std::exchange(tell_, {})) tell();
    }
    return ForwardingBackend::set_legal_hold(name, hold);
  }

 private:
  std::function<void()> tell_;
};

class LegalHold : public PruneFixture {
 protected:
  void SetUp() override {
    PruneFixture::SetUp();
    contents_ = contents_of_stored(*older_.id);
    newest_contents_ = contents_of_stored(*newer_.id);
  }
  std::unique_ptr<repo::Repository> open_over(std::unique_ptr<backend::Backend> store) {
    auto opened = repo::Repository::open(std::move(store), repo::test_credential(), {},
                                         {.clock = clock_, .rng = rng_});
    EXPECT_EQ(problem(opened), "");
    return *std::move(opened);
  }
  std::unique_ptr<repo::Repository> open_plain() {
    return open_over(std::make_unique<backend::ForwardingBackend>(memory_));
  }
  void put_under_hold(const BackupReport& report) {
    const auto repository = open_plain();
    repo::Hold made;
    made.legal = true;
    ASSERT_EQ(problem(engine::hold(*repository, {*report.id}, made, {})), "");
    Watch watch;
    Activity activity = watch.activity();
    ASSERT_EQ(problem(put_under_legal_hold(*repository, {*report.id}, activity)), "");
  }
  Result<void> try_release(repo::Repository& repository, const BackupReport& report) {
    Watch watch;
    Activity activity = watch.activity();
    TRY(release(repository, {*report.id}, activity));
    return {};
  }
  void release_well(const BackupReport& report) {
    ASSERT_EQ(problem(try_release(*open_plain(), report)), "");
  }
  bool is_held(const std::string& name) {
    return memory_.legal_hold(name).value_or(backend::LegalHold::kOff) == backend::LegalHold::kOn;
  }
  // As somebody with the rights of a client does.
  void remove_all_that_goes() {
    for (const auto& [name, bytes] : memory_.objects()) {
      const bool went = memory_.remove(name).has_value();
      EXPECT_NE(went, is_held(name)) << name;
    }
  }
  [[nodiscard]] std::size_t held_objects() {
    std::size_t held = 0;
    for (const auto& [name, bytes] : memory_.objects()) {
      if (is_held(name)) ++held;
    }
    return held;
  }

  std::map<std::string, Bytes> contents_;
  std::map<std::string, Bytes> newest_contents_;
};

TEST_F(LegalHold, KeepsAllThatReadingASnapshotTakesWithoutATime) {
  put_under_hold(older_);
  clock_.advance(std::chrono::hours(24 * 365 * 50));
  remove_all_that_goes();
  EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
}

TEST_F(LegalHold, EndsWithTheReleaseOfItsSnapshot) {
  put_under_hold(older_);
  release_well(older_);
  EXPECT_EQ(held_objects(), 0U);
  EXPECT_TRUE(names("holds/").empty());
}

TEST_F(LegalHold, StaysOnWhatAnotherSnapshotNeedsThatIsUnderOne) {
  put_under_hold(older_);
  put_under_hold(newer_);
  const std::size_t of_both = held_objects();
  release_well(older_);
  EXPECT_LT(held_objects(), of_both);
  remove_all_that_goes();
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
}

TEST_F(LegalHold, StaysOnWhatASnapshotNeedsThatComesUnderOneMeanwhile) {
  put_under_hold(older_);
  const auto repository =
      open_over(std::make_unique<EndsAreTold>(memory_, [&] { put_under_hold(newer_); }));
  ASSERT_EQ(problem(try_release(*repository, older_)), "");
  remove_all_that_goes();
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
}

TEST_F(LegalHold, GoesOnWhereItsEndWasCut) {
  put_under_hold(older_);
  put_under_hold(newer_);
  const backend::MemoryBackend::Objects before = memory_.objects();
  bool done = false;
  for (std::uint64_t number = 1; !done; ++number) {
    ASSERT_LT(number, 500U);
    {
      backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
      faults.crash_at(number, backend::FaultBackend::Effect::kLost);
      const auto repository = open_over(std::make_unique<backend::ForwardingBackend>(faults));
      done = try_release(*repository, older_).has_value();
    }
    for (const auto& [name, bytes] : before) {
      if (name.starts_with("snapshots/")) continue;
      EXPECT_TRUE(memory_.objects().contains(name) || name.starts_with("holds/")) << name;
    }
  }
  remove_all_that_goes();
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
  EXPECT_FALSE(memory_.objects().contains(name_of(older_)));
}

TEST_F(LegalHold, EndsForASnapshotThatCannotBeReadAnyMore) {
  put_under_hold(older_);
  put_under_hold(newer_);
  auto objects = memory_.objects();
  std::vector<std::string> held;
  for (const auto& [name, bytes] : objects)
    if (is_held(name)) held.push_back(name);
  objects.at(name_of(older_)).back() ^= 1;
  memory_.set_objects(objects);
  for (const std::string& name : held)
    ASSERT_EQ(problem(memory_.set_legal_hold(name, backend::LegalHold::kOn)), "");
  release_well(older_);
  EXPECT_EQ(memory_.legal_hold(name_of(older_)).value(), backend::LegalHold::kOff);
  remove_all_that_goes();
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
}

TEST_F(LegalHold, IsHeededByACollection) {
  put_under_hold(older_);
  // Somebody forgot by other means what the store would not let go.
  ASSERT_EQ(problem(memory_.set_legal_hold(name_of(older_), backend::LegalHold::kOff)), "");
  const std::vector<std::string> all = names("data/");
  forget(older_);
  const PruneReport report = prune_well(thorough());
  EXPECT_GT(report.packs_locked, 0U);
  EXPECT_FALSE(report.locked_until.has_value());
  for (const std::string& pack : all) {
    if (!is_held(pack)) continue;
    EXPECT_TRUE(memory_.objects().contains(pack)) << pack;
  }
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
}

TEST_F(LegalHold, IsARecordWithoutAnEnd) {
  repo::Hold hold;
  hold.legal = true;
  hold.reason = "court";
  const repo::NoteName name{.snapshot = repo::ObjectId{older_.id->bytes}, .number = 1, .bytes = {}};
  Bytes record;
  repo::encode_hold(hold, name, record);
  EXPECT_EQ(repo::decode_hold(record, name).value(), hold);
  hold.until = Timestamp{.seconds = 1, .nanos = 0};
  record.clear();
  repo::encode_hold(hold, name, record);
  EXPECT_EQ(repo::decode_hold(record, name).error().code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace backstay::engine
