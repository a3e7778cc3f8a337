// A store whose lists may be behind: backups go on, and nothing is removed by what is listed.
#include <gtest/gtest.h>

#include "backend/forwarding_backend.h"
#include "engine/forget.h"
#include "engine/notes.h"
#include "engine/repair.h"
#include "engine/testing/prune_fixture.h"

namespace backstay::engine {
namespace {

// Says so; and leaves one object out of its lists.
class LateLists final : public backend::ForwardingBackend {
 public:
  explicit LateLists(backend::Backend& inner, std::string hidden = {})
      : ForwardingBackend(inner), hidden_(std::move(hidden)) {}
  [[nodiscard]] backend::Capabilities capabilities() const override {
    backend::Capabilities can = inner_.capabilities();
    can.lists_at_once = false;
    return can;
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    return inner_.list(prefix, [&](const backend::ObjectInfo& info) -> Result<void> {
      return info.name == hidden_ ? Result<void>() : each(info);
    });
  }

 private:
  const std::string hidden_;
};

class LateListsTest : public PruneFixture {
 protected:
  std::unique_ptr<repo::Repository> open_late(const std::string& hidden = {}) {
    backend::Backend& store = memory_;
    auto opened =
        repo::Repository::open(std::make_unique<LateLists>(store, hidden), repo::test_credential(),
                               {}, {.clock = clock_, .rng = rng_, .threads = threads_});
    EXPECT_EQ(repo::problem(opened), "");
    return std::move(*opened);
  }
};

TEST_F(LateListsTest, RefusesWhatRemovesBeforeItBegins) {
  const backend::MemoryBackend::Objects before = memory_.objects();
  const auto repository = open_late();
  Watch watch;
  Activity activity = watch.activity();
  ForgetOptions options;
  options.named = {*older_.id};
  const auto forgotten = engine::forget(*repository, options, {}, activity);
  EXPECT_EQ(code_of(forgotten), "unsupported");
  EXPECT_NE(forgotten.error().hint().find("docs/backends/"), std::string::npos);
  EXPECT_EQ(code_of(engine::prune(*repository, {}, activity)), "unsupported");
  EXPECT_EQ(code_of(release(*repository, {*older_.id}, activity)), "unsupported");
  const auto slots = repository->key_slots();
  ASSERT_EQ(problem(slots), "");
  EXPECT_EQ(code_of(repository->remove_key_slot(slots->front().id)), "unsupported");
  EXPECT_EQ(code_of(repository->rotate_keys({})), "unsupported");
  EXPECT_EQ(memory_.objects(), before);
  // What only looks may look.
  options.dry_run = true;
  PruneOptions dry;
  dry.dry_run = true;
  EXPECT_EQ(problem(engine::forget(*repository, options, {}, activity)), "");
  EXPECT_EQ(problem(engine::prune(*repository, dry, activity)), "");
}

// Else a list that has the removals and not yet the run that was merged would be an empty index.
TEST_F(LateListsTest, KeepsRunsOfTheIndexThatWereMerged) {
  std::size_t runs = names("index/").size();
  for (std::uint64_t i = 0; i < 12; ++i) {
    const auto repository = open_late();
    ASSERT_EQ(problem(repository->load_index([](const auto&, const Error&) {})), "");
    repo::StoreSession session(*repository, {}, repo::StoreSession::Mode::kStore);
    store(*repository, session, {noise(5'000, 400 + i)});
    ASSERT_EQ(problem(session.flush()), "");
    EXPECT_GT(names("index/").size(), runs);
    runs = names("index/").size();
  }
  expect_whole();
}

TEST_F(LateListsTest, DoesNotCallAPackMissingThatIsThere) {
  const auto repository = open_late(names("data/").front());
  Watch watch;
  Activity activity = watch.activity();
  const auto checked = check(*repository, {}, activity);
  ASSERT_EQ(problem(checked), "");
  for (const Damage& damage : checked->damages)
    ADD_FAILURE() << damage.object << ": " << damage.what;
}

TEST_F(LateListsTest, KeepsASnapshotThatSeemsToHaveLostSomething) {
  remove(names("meta/").front());
  const auto before = names("snapshots/");
  const auto repository = open_late();
  Watch watch;
  Activity activity = watch.activity();
  const auto report =
      repair_snapshots(*repository, {.snapshots = {}, .author = {.host = "here", .user = "me"}},
                       {.lost = [](const auto&) {}, .done = [](const auto&) {}}, activity);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->replaced, 0U);
  for (const std::string& name : before) EXPECT_TRUE(memory_.objects().contains(name)) << name;
}

}  // namespace
}  // namespace backstay::engine
