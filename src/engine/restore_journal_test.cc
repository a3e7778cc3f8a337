#include "engine/restore_journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "io/testing/temporary_folder.h"

namespace backstay::engine {
namespace {

class RestoreJournalTest : public testing::Test {
 protected:
  [[nodiscard]] std::string folder() const { return scratch_ / "restores"; }
  std::unique_ptr<RestoreJournal> begin(std::int64_t seconds = 1'700'000'000) {
    RestoreRecord record;
    record.started = {seconds, 5};
    record.snapshot = "ab";
    record.repository = "/a \xff path";
    auto journal = RestoreJournal::begin(folder(), record, {"/target", {"/new", "/a/\xfe"}}, rng_);
    EXPECT_TRUE(journal.has_value()) << journal.error().describe();
    return *std::move(journal);
  }
  RestoreState state_of(const std::string& id) {
    const auto found = find_restore(folder(), id);
    EXPECT_TRUE(found.has_value()) << found.error().describe();
    return found ? found->state : RestoreState::kRunning;
  }

  io::TemporaryFolder scratch_;
  SeededRng rng_{3};
};

TEST_F(RestoreJournalTest, TellsWhatRunsFromWhatWasInterrupted) {
  auto journal = begin();
  const std::string id = journal->record().id;
  EXPECT_EQ(state_of(id), RestoreState::kRunning);
  RestoreRecord record = journal->record();
  record.step = RestoreStep::kRestoring;
  record.safety = "cd";
  ASSERT_TRUE(journal->write(record));
  EXPECT_EQ(state_of(id), RestoreState::kRunning);
  journal.reset();
  EXPECT_EQ(state_of(id), RestoreState::kInterrupted);
}

TEST_F(RestoreJournalTest, KnowsThatNothingWasDoneBeforeTheSafetySnapshotWasThere) {
  const std::string id = begin()->record().id;
  EXPECT_EQ(state_of(id), RestoreState::kNothingDone);
}

TEST_F(RestoreJournalTest, GivesBackTheBytesOfPathsThatAreNoText) {
  const std::string id = begin()->record().id;
  const auto paths = read_restore_paths(folder(), id);
  ASSERT_TRUE(paths.has_value());
  EXPECT_EQ(paths->target, "/target");
  EXPECT_EQ(paths->created, (std::vector<std::string>{"/new", "/a/\xfe"}));
}

TEST_F(RestoreJournalTest, KeepsEveryFieldOfARecord) {
  RestoreRecord record{.id = "0123456789abcdef",
                       .rollback_of = "1111111111111111",
                       .rolled_back_by = "2222222222222222",
                       .step = RestoreStep::kPartial,
                       .started = {1'700'000'000, 1},
                       .ended = Timestamp{1'700'000'001, 2},
                       .repository_id = "aa",
                       .repository = "/r \xff",
                       .snapshot = "bb",
                       .safety = "cc",
                       .files_restored = 1,
                       .files_deleted = 2,
                       .bytes_written = 3,
                       .errors = 4,
                       .validated_bytes = 5,
                       .validation_errors = 6,
                       .check_exit = 7};
  const std::string text = encode_record(record);
  const auto again = decode_record(text);
  ASSERT_TRUE(again.has_value()) << again.error().describe();
  EXPECT_EQ(encode_record(*again), text);
  EXPECT_EQ(again->repository, record.repository);
  EXPECT_EQ(again->ended, record.ended);
  EXPECT_EQ(again->check_exit, 7);
}

TEST_F(RestoreJournalTest, BelievesNoListThatLeadsOutOfTheTarget) {
  using namespace std::string_literals;
  for (const std::string& bad :
       {""s, "/t"s, "/t\0/a"s, "t\0"s, "/t\0a\0"s, "/t\0/..\0"s, "/t\0/a/../b\0"s, "/t\0/./a\0"s,
        "/t\0//a\0"s, "/t\0/\0"s, "/t\0/a/\0"s, "/t\0\0"s}) {
    const auto paths = decode_paths(bad);
    ASSERT_FALSE(paths.has_value()) << testing::PrintToString(bad);
    EXPECT_EQ(paths.error().code(), ErrorCode::kCorruption);
  }
  EXPECT_TRUE(decode_paths("/\0/a..\0/.b\0"s).has_value());
}

TEST_F(RestoreJournalTest, FindsTheLatestThatCanBeRolledBack) {
  const std::string old = begin(1'700'000'000)->record().id;
  for (const std::int64_t when : {1'700'000'100, 1'700'000'200}) {
    auto journal = begin(when);
    RestoreRecord record = journal->record();
    record.step = RestoreStep::kDone;
    if (when == 1'700'000'200) record.rolled_back_by = old;
    ASSERT_TRUE(journal->write(record));
  }
  const auto found = find_restore(folder(), "latest");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->record.started.seconds, 1'700'000'100);
  EXPECT_EQ(find_restore(folder(), "zz").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(find_restore(folder(), "0000000000000000").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(find_restore(scratch_ / "nowhere", "latest").error().code(), ErrorCode::kNotFound);
}

TEST_F(RestoreJournalTest, IsForItsUserAlone) {
  const std::string own = folder() + "/" + begin()->record().id;
  for (const std::string& path : {own, own + "/paths", own + "/lock", own + "/1.json"}) {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode & 077U, 0U) << path;
  }
}

}  // namespace
}  // namespace backstay::engine
