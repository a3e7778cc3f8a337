#include "repo/snapshot_note.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const NoteName kSomeName{.snapshot = ObjectId{{1, 2, 3}}, .number = 7, .bytes = ObjectId{{9}}};

TagChange some_change() {
  TagChange change;
  change.replaces = true;
  change.removed = {"a", "b"};
  change.added = {"c"};
  change.author = {.time = {.seconds = 5, .nanos = 6}, .host = "web", .user = "ann"};
  return change;
}

Hold some_hold() {
  Hold hold;
  hold.until = Timestamp{.seconds = 1'800'000'000, .nanos = 3};
  hold.reason = "audit";
  hold.author = {.time = {.seconds = 5, .nanos = 6}, .host = "web", .user = "ann"};
  return hold;
}

TEST(NoteName, IsReadBackAndHasOneForm) {
  for (const ObjectKind kind : {ObjectKind::kHold, ObjectKind::kTagChange}) {
    const std::string name = note_name(kind, kSomeName);
    EXPECT_EQ(problem(backend::validate_name(name)), "");
    ASSERT_EQ(problem(parse_note_name(kind, name)), "");
    EXPECT_EQ(*parse_note_name(kind, name), kSomeName);
    EXPECT_TRUE(is_object_name(kind, name));
    for (std::size_t at = 0; at < name.size(); ++at) {
      std::string other = name;
      other[at] = 'G';
      EXPECT_FALSE(parse_note_name(kind, other)) << other;
      EXPECT_FALSE(parse_note_name(kind, name.substr(0, at)));
    }
  }
  EXPECT_FALSE(parse_note_name(ObjectKind::kHold, note_name(ObjectKind::kTagChange, kSomeName)));
}

TEST(TagChange, IsReadBackAsItWas) {
  Bytes record;
  encode_tag_change(some_change(), kSomeName, record);
  ASSERT_EQ(problem(decode_tag_change(record, kSomeName)), "");
  EXPECT_EQ(*decode_tag_change(record, kSomeName), some_change());
  for_each_prefix(record, [](ByteView prefix) { (void)decode_tag_change(prefix, kSomeName); });
  for_each_flip(record, [](const Bytes& damaged, std::size_t) {
    const auto read = decode_tag_change(damaged, kSomeName);
    EXPECT_TRUE(read || read.error().code() == ErrorCode::kCorruption);
  });
}

TEST(TagChange, BelongsToTheSnapshotOfItsName) {
  Bytes record;
  encode_tag_change(some_change(), kSomeName, record);
  NoteName other = kSomeName;
  other.snapshot.bytes[0] = 8;
  EXPECT_EQ(code_of(decode_tag_change(record, other)), "corruption");
  other = kSomeName;
  other.number = 8;
  EXPECT_EQ(code_of(decode_tag_change(record, other)), "corruption");
}

TEST(TagChange, RefusesTagsThatAreEmptyOrOutOfOrder) {
  for (const auto& tags : {std::vector<std::string>{"b", "a"}, {"a", "a"}, {""}}) {
    TagChange change;
    change.added = tags;
    Bytes record;
    encode_tag_change(change, kSomeName, record);
    EXPECT_EQ(code_of(decode_tag_change(record, kSomeName)), "corruption");
  }
}

TEST(TagChange, SaysWhatIsDoneAndNotWhatIs) {
  TagChange change;
  change.removed = {"a", "x"};
  change.added = {"c"};
  EXPECT_THAT(apply_change(change, {"a", "b"}), ElementsAre("b", "c"));
  change.replaces = true;
  EXPECT_THAT(apply_change(change, {"a", "b"}), ElementsAre("c"));
  change.added.clear();
  EXPECT_THAT(apply_change(change, {"a", "b"}), IsEmpty());
}

TEST(Hold, IsReadBackAsItWas) {
  for (const bool forever : {false, true}) {
    Hold hold = some_hold();
    if (forever) hold.until.reset();
    hold.locked = !forever;
    Bytes record;
    encode_hold(hold, kSomeName, record);
    ASSERT_EQ(problem(decode_hold(record, kSomeName)), "");
    EXPECT_EQ(*decode_hold(record, kSomeName), hold);
    NoteName other = kSomeName;
    other.snapshot.bytes[0] = 8;
    EXPECT_EQ(code_of(decode_hold(record, other)), "corruption");
  }
}

TEST(Hold, IsNotLockedForEver) {
  Hold hold = some_hold();
  hold.until.reset();
  hold.locked = true;
  Bytes record;
  encode_hold(hold, kSomeName, record);
  EXPECT_EQ(code_of(decode_hold(record, kSomeName)), "corruption");
}

class Notes : public RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    snapshot::Snapshot made;
    made.host = "web";
    made.paths = {"/home"};
    made.tags = {"daily"};
    made.tree = {.page = {.id = {}, .length = 5}, .level = 0, .entries = 0};
    const auto id = open()->commit_snapshot(made);
    ASSERT_EQ(problem(id), "");
    id_ = *id;
  }
  static TagChange adding(std::vector<std::string> tags) {
    TagChange change;
    change.added = std::move(tags);
    return change;
  }
  StoredSnapshot listed() {
    const auto found = open()->snapshots([](const auto& id, const Error& error) {
      ADD_FAILURE() << id.short_hex() << ": " << error.describe();
    });
    EXPECT_EQ(problem(found), "");
    EXPECT_EQ(found->size(), 1U);
    return found->empty() ? StoredSnapshot{} : found->front();
  }

  snapshot::SnapshotId id_;
};

TEST_F(Notes, GiveASnapshotItsTagsAndLeaveItsId) {
  const auto repository = open();
  ASSERT_EQ(problem(store_tag_change(*repository, id_, adding({"x"}))), "");
  TagChange second;
  second.removed = {"daily"};
  second.added = {"y"};
  ASSERT_EQ(problem(store_tag_change(*repository, id_, second)), "");
  EXPECT_EQ(listed().id, id_);
  EXPECT_THAT(listed().snapshot.tags, ElementsAre("x", "y"));
  EXPECT_THAT(repository->read_snapshot(id_)->tags, ElementsAre("daily"));
  EXPECT_TRUE(listed().tags_known);
}

TEST_F(Notes, OfTwoWritersAtOnceBothCount) {
  const auto repository = open();
  ASSERT_EQ(problem(store_tag_change(*repository, id_, adding({"one"}))), "");
  const auto first = memory_.objects();
  memory_.set_objects({});
  for (const auto& [name, bytes] : first) {
    const bool first_change = name.starts_with("tags/");
    ASSERT_TRUE(first_change || memory_.put(name, bytes));
  }
  // This one has not seen the first, so it takes the same number.
  ASSERT_EQ(problem(store_tag_change(*repository, id_, adding({"two"}))), "");
  for (const auto& [name, bytes] : first) {
    const bool first_change = name.starts_with("tags/");
    ASSERT_TRUE(!first_change || memory_.put(name, bytes));
  }
  EXPECT_EQ(names("tags/").size(), 2U);
  EXPECT_THAT(listed().snapshot.tags, ElementsAre("daily", "one", "two"));
}

TEST_F(Notes, ThatAreDamagedLeaveTheOthersAndAreSaid) {
  const auto repository = open();
  const auto bad = store_tag_change(*repository, id_, adding({"x"}));
  ASSERT_EQ(problem(bad), "");
  ASSERT_EQ(problem(store_tag_change(*repository, id_, adding({"y"}))), "");
  const Bytes whole = memory_.objects().at(*bad);
  for_each_flip(whole, [&](const Bytes& damaged, std::size_t at) {
    if (at % 7 != 0) return;
    replace(*bad, [&](Bytes& bytes) { bytes = damaged; });
    const StoredSnapshot stored = listed();
    EXPECT_FALSE(stored.tags_known) << at;
    EXPECT_THAT(stored.snapshot.tags, ElementsAre("daily", "y"));
  });
}

TEST_F(Notes, CannotBeGivenToAnotherSnapshot) {
  const auto repository = open();
  const auto object = store_hold(*repository, id_, some_hold());
  ASSERT_EQ(problem(object), "");
  auto name = *parse_note_name(ObjectKind::kHold, *object);
  name.snapshot.bytes[0] ^= 1;
  ASSERT_EQ(problem(memory_.put(note_name(ObjectKind::kHold, name), memory_.objects().at(*object))),
            "");
  const auto holds = list_holds(*repository);
  ASSERT_EQ(problem(holds), "");
  ASSERT_EQ(holds->size(), 2U);
  for (const StoredHold& hold : *holds) EXPECT_EQ(hold.readable, hold.snapshot == id_);
}

TEST_F(Notes, OfHoldsBindUntilTheirTimeOrWhenTheyCannotBeRead) {
  const auto repository = open();
  const auto object = store_hold(*repository, id_, some_hold());
  ASSERT_EQ(problem(object), "");
  auto holds = list_holds(*repository);
  ASSERT_EQ(holds->size(), 1U);
  EXPECT_EQ(holds->front().hold, some_hold());
  EXPECT_TRUE(holds->front().binds({.seconds = 1'800'000'000, .nanos = 2}));
  EXPECT_FALSE(holds->front().binds({.seconds = 1'800'000'000, .nanos = 3}));
  replace(*object, [](Bytes& bytes) { bytes.back() ^= 1; });
  holds = list_holds(*repository);
  EXPECT_TRUE(holds->front().binds({.seconds = 1'900'000'000, .nanos = 0}));
}

TEST_F(Notes, AreNotStoppedByOneThatHasTheLastNumber) {
  const auto repository = open();
  for (const ObjectKind kind : {ObjectKind::kHold, ObjectKind::kTagChange}) {
    NoteName junk{.snapshot = ObjectId{id_.bytes}, .number = kNoteNumberMax, .bytes = {}};
    ASSERT_EQ(problem(memory_.put(note_name(kind, junk), Bytes(3))), "");
  }
  ASSERT_EQ(problem(store_hold(*repository, id_, some_hold())), "");
  ASSERT_EQ(problem(store_hold(*repository, id_, {})), "");
  const auto holds = list_holds(*repository);
  ASSERT_EQ(problem(holds), "");
  EXPECT_EQ(holds->size(), 3U);
  EXPECT_EQ(std::ranges::count(*holds, true, &StoredHold::readable), 2);
  ASSERT_EQ(problem(store_tag_change(*repository, id_, adding({"x"}))), "");
  EXPECT_THAT(listed().snapshot.tags, ElementsAre("daily", "x"));
  EXPECT_FALSE(listed().tags_known);
}

TEST_F(Notes, ThatAreListedAndNotFoundLeaveTagsUnknownWhereTheSnapshotIsStillThere) {
  const auto object = store_tag_change(*open(), id_, adding({"x"}));
  ASSERT_EQ(problem(object), "");
  faults_.fail_reads(*object, ErrorCode::kNotFound);
  const StoredSnapshot stored = listed();
  EXPECT_FALSE(stored.tags_known);
  EXPECT_THAT(stored.snapshot.tags, ElementsAre("daily"));
}

TEST_F(Notes, AreRefusedWhenTheyAreTooLarge) {
  EXPECT_EQ(code_of(store_tag_change(*open(), id_, adding({std::string(1 << 20, 'x')}))),
            "invalid_argument");
  EXPECT_THAT(names("tags/"), IsEmpty());
}

TEST_F(Notes, FailWithTheStoreAndNotAsDamage) {
  const auto repository = open();
  const auto object = store_hold(*repository, id_, some_hold());
  ASSERT_EQ(problem(object), "");
  faults_.fail_reads(*object, ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(list_holds(*repository)), "unavailable");
}

}  // namespace
}  // namespace backstay::repo
