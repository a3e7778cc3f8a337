// A backup that is cut at every call to its store, one after another, until it runs through. After
// each cut the repository opens, what was there before is whole, and the next backup needs no
// manual step.
#include <thread>

#include "backend/forwarding_backend.h"
#include "engine/check.h"
#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

using backend::FaultBackend;

class CrashAtEveryCall : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
    older_ = backup_well();
    older_contents_ = contents_of(tree_);
    tree_.add_file("/home/user/new", noise(150'000, 55));
    tree_.add_file("/home/user/text", Bytes(40'000, 'u'));
    tree_.remove("/etc/small");
    before_ = memory_.objects();
  }

  Result<std::unique_ptr<repo::Repository>> open_by(backend::Backend& store) {
    return repo::Repository::open(std::make_unique<backend::ForwardingBackend>(store),
                                  repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
  }

  // A backup through `store`, whatever comes of it.
  Result<BackupReport> run_by(backend::Backend& store) {
    auto repository = open_by(store);
    if (!repository) return std::unexpected(std::move(repository).error());
    Watch watch;
    return back_up(**repository, tree_, backup_options(), watch);
  }

  void expect_whole_and_going_on(const std::string& cut) {
    SCOPED_TRACE(cut);
    const auto repository = open_by(memory_);
    ASSERT_EQ(problem(repository), "");
    Watch watch;
    Activity activity = watch.activity();
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    const auto checked = check(**repository, options, activity);
    ASSERT_EQ(problem(checked), "");
    for (const Damage& damage : checked->damages)
      ADD_FAILURE() << damage.object << ": " << damage.what;
    EXPECT_TRUE(contents_of_stored(*older_.id) == older_contents_);

    const auto next = run_by(memory_);
    ASSERT_EQ(problem(next), "");
    expect_holds_the_tree(*next);
    bytes_added_last_ = next->snapshot.stats.bytes_added;
  }

  // Cuts the run at call 1, 2, ... and returns at how many calls it was cut.
  std::uint64_t cut_at_every_call(FaultBackend::Effect effect, bool power_cut) {
    for (std::uint64_t number = 1;; ++number) {
      memory_.set_objects(before_);
      FaultBackend faults(memory_);
      faults.crash_at(number, effect);
      const auto run = run_by(faults);
      if (!faults.crashed()) {
        EXPECT_EQ(problem(run), "");
        expect_whole_and_going_on("not cut at all");
        return number - 1;
      }
      SeededRng dice(number);
      if (power_cut) {
        const auto lost =
            faults.lose_unsynced([&](const std::string&) { return dice.below(2) == 0; });
        EXPECT_EQ(problem(lost), "");
      }
      expect_whole_and_going_on("cut at call " + std::to_string(number) + ", " +
                                faults.crashed_in());
      if (HasFatalFailure()) return 0;
    }
  }

  BackupReport older_;
  std::map<std::string, Bytes> older_contents_;
  backend::MemoryBackend::Objects before_;
  std::uint64_t bytes_added_last_ = 0;
};

TEST_F(CrashAtEveryCall, LeavesAWholeRepositoryWhenTheCallIsLost) {
  EXPECT_GT(cut_at_every_call(FaultBackend::Effect::kLost, false), 10U);
}

TEST_F(CrashAtEveryCall, LeavesAWholeRepositoryWhenTheCallTookEffect) {
  EXPECT_GT(cut_at_every_call(FaultBackend::Effect::kApplied, false), 10U);
}

TEST_F(CrashAtEveryCall, LeavesAWholeRepositoryWhenThePowerTakesWhatWasNotSynced) {
  EXPECT_GT(cut_at_every_call(FaultBackend::Effect::kLost, true), 10U);
  EXPECT_GT(cut_at_every_call(FaultBackend::Effect::kApplied, true), 10U);
}

TEST_F(CrashAtEveryCall, ReusesWhatTheCutRunHadIndexed) {
  // Cut at the commit: all data is stored and indexed, only the snapshot is missing.
  class CutAtCommit final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
      if (name.starts_with("snapshots/")) return fail(ErrorCode::kCancelled, "cut");
      return inner_.put(name, pieces);
    }
  };
  CutAtCommit cut(memory_);
  ASSERT_EQ(code_of(run_by(cut)), "cancelled");
  expect_whole_and_going_on("cut at the commit");
  EXPECT_EQ(bytes_added_last_, 0U);
}

TEST_F(CrashAtEveryCall, OfOneWriterDoesNotDisturbAnother) {
  for (std::uint64_t number = 1;; ++number) {
    memory_.set_objects(before_);
    FaultBackend faults(memory_);
    faults.crash_at(number,
                    number % 2 == 0 ? FaultBackend::Effect::kLost : FaultBackend::Effect::kApplied);
    Result<BackupReport> other = fail(ErrorCode::kInternal, "has not run");
    {
      const std::jthread beside([&] { other = run_by(memory_); });
      (void)run_by(faults);
    }
    ASSERT_EQ(problem(other), "");
    expect_holds_the_tree(*other);
    const bool crashed = faults.crashed();
    expect_whole_and_going_on("beside another writer, cut at call " + std::to_string(number));
    if (HasFatalFailure() || !crashed) return;
  }
}

}  // namespace
}  // namespace backstay::engine
