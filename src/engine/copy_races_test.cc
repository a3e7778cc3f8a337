// A copy beside a prune: of the repository that is read, and of the one that is written. The other
// one acts before each call that the copy makes to the store, one call after another, so that there
// is no moment between two calls that is not tried.
#include <functional>
#include <utility>

#include "base/mutex.h"
#include "engine/prune.h"
#include "engine/testing/copy_fixture.h"

namespace backstay::engine {
namespace {

// Somebody else acts before the call with this number, from 1; further calls wait for that.
class ActsBefore final : public backend::ForwardingBackend {
 public:
  ActsBefore(backend::Backend& inner, int number, std::function<void()> act)
      : ForwardingBackend(inner), left_(number), act_(std::move(act)) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    count("put", name);
    return inner_.put(name, pieces);
  }
  Result<void> barrier() override {
    count("barrier", "");
    return inner_.barrier();
  }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    count("get", name);
    return inner_.get(name, size_max);
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    count("get_range", name);
    return inner_.get_range(name, offset, out);
  }
  Result<backend::ObjectInfo> head(std::string_view name) override {
    count("head", name);
    return inner_.head(name);
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    count("list", prefix);
    return inner_.list(prefix, each);
  }
  Result<void> remove(std::string_view name) override {
    count("remove", name);
    return inner_.remove(name);
  }
  [[nodiscard]] std::string acted_before() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return acted_before_;
  }

 private:
  void count(std::string_view what, std::string_view name) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (--left_ != 0) return;
    acted_before_ = std::string(what) + " " + std::string(name);
    act_();
  }
  Mutex mutex_;
  int left_ GUARDED_BY(mutex_);
  std::string acted_before_ GUARDED_BY(mutex_);  // empty: it has not
  const std::function<void()> act_;
};

using Contents = std::map<std::string, Bytes>;

class CopyRaces : public CopyFixture {
 protected:
  // Two snapshots with some files in common.
  void SetUp() override {
    BackupFixture::SetUp();
    make_second();
    threads_ = repo::World::Threads::kCallersOnly;
    for (int i = 0; i < 3; ++i) {
      tree_.add_file("/old/" + std::to_string(i), noise(7'000, static_cast<std::uint64_t>(i)));
      tree_.add_file("/kept/" + std::to_string(i), noise(5'000, static_cast<std::uint64_t>(9 + i)));
    }
    older_ = back_up_one();
    for (int i = 0; i < 3; ++i) tree_.remove("/old/" + std::to_string(i));
    tree_.add_file("/new", noise(9'000, 20));
    newer_ = back_up_one();
    clock_.advance(std::chrono::hours(1));  // packs are older than whoever writes
  }
  BackupReport back_up_one() {
    BackupReport report = backup_well();
    truth_[report.snapshot.started.seconds] = contents_of(tree_);
    return report;
  }

  std::unique_ptr<repo::Repository> open_at(backend::Backend& store) {
    auto opened = repo::Repository::open(
        std::make_unique<backend::ForwardingBackend>(store), repo::test_credential(), {},
        {.clock = clock_, .rng = rng_, .threads = repo::World::Threads::kCallersOnly});
    EXPECT_EQ(problem(opened), "");
    return opened ? *std::move(opened) : nullptr;
  }
  PruneReport prune_at(backend::Backend& store) {
    Watch watch;
    Activity activity = watch.activity();
    PruneOptions options;
    options.unused_share_max = 0;
    options.uploads = 0;
    const auto report = prune(*open_at(store), options, activity);
    EXPECT_EQ(problem(report), "");
    return report.value_or(PruneReport{});
  }
  static std::string name_of(const snapshot::SnapshotId& id) { return "snapshots/" + id.hex(); }
  void forget_original(const BackupReport& report) { remove(name_of(*report.id)); }
  // The copy of the older one, if there is one.
  void forget_copy() {
    for (const auto& stored : snapshots_at(second_memory_)) {
      if (stored.snapshot.started == older_.snapshot.started) {
        EXPECT_EQ(problem(second_memory_.remove(name_of(stored.id))), "");
      }
    }
  }
  std::vector<repo::StoredSnapshot> snapshots_at(backend::Backend& store) {
    auto found = open_at(store)->snapshots([](const auto& id, const Error& error) {
      ADD_FAILURE() << id.short_hex() << ": " << error.describe();
    });
    EXPECT_EQ(problem(found), "");
    return found ? *std::move(found) : std::vector<repo::StoredSnapshot>{};
  }

  // Nothing is damaged, and every snapshot has what was backed up, byte for byte. Returns how many.
  std::size_t expect_whole(backend::Backend& store) {
    const auto repository = open_at(store);
    Watch watch;
    Activity activity = watch.activity();
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    const auto checked = check(*repository, options, activity);
    EXPECT_EQ(problem(checked), "");
    if (!checked) return 0;
    for (const Damage& damage : checked->damages)
      ADD_FAILURE() << damage.object << ": " << damage.what;
    const auto stored = snapshots_at(store);
    for (const auto& one : stored) {
      const auto contents = contents_of(*repository, one.snapshot);
      EXPECT_EQ(problem(contents), "");
      EXPECT_TRUE(contents && *contents == truth_.at(one.snapshot.started.seconds));
    }
    return stored.size();
  }
  // Two prunes free all that is not needed, and leave nothing for a third.
  void expect_no_leak(backend::Backend& store) {
    prune_at(store);
    prune_at(store);
    const PruneReport last = prune_at(store);
    EXPECT_EQ(last.packs_removed + last.packs_dropped + last.packs_repacked, 0U);
    EXPECT_EQ(last.packs_waiting, 0U);
    EXPECT_EQ(last.bytes_unused, 0U);
    std::size_t leases = 0;
    EXPECT_EQ(problem(store.list("leases/",
                                 [&](const auto&) -> Result<void> {
                                   ++leases;
                                   return {};
                                 })),
              "");
    EXPECT_EQ(leases, 0U);
  }

  // What is said of a copy beside which something was freed.
  using Judge = std::function<void(const Result<CopyReport>& report)>;

  // All that follows for each call to `store`, until there are no more.
  void at_every_call(backend::MemoryBackend& store, const std::function<void()>& other,
                     const Judge& judge) {
    const auto first = memory_.objects();
    const auto second = second_memory_.objects();
    backend::Backend*& through = &store == &memory_ ? first_through_ : through_;
    CopyOptions options;
    options.threads = 1;
    for (int number = 1;; ++number) {
      memory_.set_objects(first);
      second_memory_.set_objects(second);
      clock_.advance(std::chrono::hours(1));
      ActsBefore beside(store, number, other);
      through = &beside;
      const auto report = try_copy(options);
      through = nullptr;
      const std::string moment = beside.acted_before();
      SCOPED_TRACE("before call " + std::to_string(number) + ", " + moment);
      judge(report);
      expect_whole(memory_);
      expect_whole(second_memory_);
      // The next copy brings what is not there yet.
      EXPECT_EQ(copy_well().failed, 0U);
      EXPECT_GE(expect_whole(second_memory_), snapshots_at(memory_).size());
      expect_no_leak(memory_);
      expect_no_leak(second_memory_);
      expect_whole(memory_);
      EXPECT_GE(expect_whole(second_memory_), snapshots_at(memory_).size());
      if (HasFailure()) return;
      if (moment.empty()) {
        EXPECT_GT(number, 10) << "the copy hardly asked the store";
        return;
      }
    }
  }
  // Nothing is called damaged. What was forgotten before it was copied is not copied.
  void expect_success(const Result<CopyReport>& report) {
    ASSERT_EQ(problem(report), "");
    for (const CopiedSnapshot& one : copied_) EXPECT_EQ(one.failure, "");
    EXPECT_EQ(report->failed, 0U);
    EXPECT_GE(report->copied + report->there_already, 1U);
    forgotten_ += report->forgotten;
  }
  // It went well, or it says that its lease was ended.
  void expect_success_or_lost_lease(const Result<CopyReport>& report) {
    if (report) {
      expect_success(report);
    } else {
      ++leases_lost_;
      EXPECT_EQ(report.error().code(), ErrorCode::kConflict) << report.error().describe();
    }
  }

  BackupReport older_;
  BackupReport newer_;
  std::uint64_t forgotten_ = 0;             // in all copies
  std::uint64_t leases_lost_ = 0;           // copies that said so
  std::map<std::int64_t, Contents> truth_;  // by when they were started, which copies keep
};

TEST_F(CopyRaces, APruneOfWhatIsReadTakesNothingFromTheCopy) {
  at_every_call(
      memory_,
      [&] {
        forget_original(older_);
        prune_at(memory_);
      },
      [&](const auto& report) { expect_success(report); });
  EXPECT_GT(forgotten_, 0U) << "none went between being listed and being copied";
}

// What nothing needed any more is what the copy is about to rely on.
TEST_F(CopyRaces, APruneOfWhatIsWrittenTakesNothingFromTheCopy) {
  copy_well();
  forget_copy();
  at_every_call(
      second_memory_, [&] { prune_at(second_memory_); },
      [&](const auto& report) { expect_success(report); });
}

// Machines that slept for days in the middle of a copy.
TEST_F(CopyRaces, AReaderWhoseLeaseWasEndedCopiesWellOrSaysSo) {
  at_every_call(
      memory_,
      [&] {
        clock_.advance(std::chrono::hours(100));
        forget_original(older_);
        prune_at(memory_);
      },
      [&](const auto& report) { expect_success_or_lost_lease(report); });
  EXPECT_GT(leases_lost_, 0U);
}

TEST_F(CopyRaces, AWriterWhoseLeaseWasEndedCopiesWellOrSaysSo) {
  copy_well();
  forget_copy();
  at_every_call(
      second_memory_,
      [&] {
        clock_.advance(std::chrono::hours(100));
        prune_at(second_memory_);
      },
      [&](const auto& report) { expect_success_or_lost_lease(report); });
  EXPECT_GT(leases_lost_, 0U);
}

}  // namespace
}  // namespace backstay::engine
