// Stores that leave out of a list what is there, and call it a success. docs/format.md section 8.7
// says what a collection does with them, and what it cannot.
#include <algorithm>
#include <functional>

#include "backend/forwarding_backend.h"
#include "engine/testing/prune_fixture.h"

namespace backstay::engine {
namespace {

// Leaves one object out of those lists of its folder, counted from 1, that are chosen.
class LeavesOut final : public backend::ForwardingBackend {
 public:
  LeavesOut(backend::Backend& inner, std::string name, std::function<bool(int list)> chosen)
      : ForwardingBackend(inner), name_(std::move(name)), chosen_(std::move(chosen)) {}
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    const bool hides = name_.starts_with(prefix) && chosen_(++lists_);
    return inner_.list(prefix, [&](const backend::ObjectInfo& info) -> Result<void> {
      return hides && info.name == name_ ? Result<void>() : each(info);
    });
  }
  [[nodiscard]] int lists() const { return lists_; }

 private:
  const std::string name_;
  const std::function<bool(int list)> chosen_;
  int lists_ = 0;
};

class ShortLists : public PruneFixture {
 protected:
  // It may fail. What counts is what it leaves.
  std::string prune_by(backend::Backend& store) {
    clock_.advance(std::chrono::seconds(60));
    auto repository = repo::Repository::open(
        std::make_unique<backend::ForwardingBackend>(store), repo::test_credential(), {},
        {.clock = clock_, .rng = rng_, .threads = repo::World::Threads::kCallersOnly});
    if (!repository) return problem(repository);
    Watch watch;
    Activity activity = watch.activity();
    PruneOptions options = thorough();
    options.uploads = 0;
    return problem(prune(**repository, options, activity));
  }
  // By a store that lists everything.
  void expect_nothing_lost() {
    expect_whole();
    expect_holds_the_tree(newer_);
  }
  // Twice by the store that lies, then by one that does not.
  void prune_without(const std::string& name, const std::function<bool(int list)>& chosen) {
    LeavesOut store(memory_, name, chosen);
    for (int time = 0; time < 2; ++time) {
      (void)prune_by(store);
      expect_nothing_lost();
    }
    EXPECT_GT(store.lists(), 0);
    prune_well(thorough());
    prune_well(thorough());
    expect_nothing_lost();
    EXPECT_EQ(prune_well(thorough()).packs_removed, 0U);
  }
};

TEST_F(ShortLists, WithoutAPackOrAnIndexRunLoseNothing) {
  forget(older_);
  const auto whole = memory_.objects();
  for (const char* const kind : {"data/", "meta/", "index/"}) {
    ASSERT_FALSE(names(kind).empty());
    for (const std::string& name : names(kind)) {
      SCOPED_TRACE(name);
      memory_.set_objects(whole);
      prune_without(name, [](int) { return true; });
      memory_.set_objects(whole);
      prune_without(name, [](int list) { return list % 2 == 1; });
      if (HasFailure()) return;
    }
  }
}

// A collection lists snapshots twice before it decides, and twice before it removes anything.
TEST_F(ShortLists, WithoutASnapshotLoseNothingWhenOneOfFourHasIt) {
  forget(older_);
  const auto whole = memory_.objects();
  constexpr int kLists = 4;
  for (int hidden = 0; hidden < (1 << kLists) - 1; ++hidden) {
    SCOPED_TRACE("left out of the lists " + std::to_string(hidden));
    memory_.set_objects(whole);
    prune_without(name_of(newer_),
                  [&](int list) { return list <= kLists && ((hidden >> (list - 1)) & 1) != 0; });
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace backstay::engine
