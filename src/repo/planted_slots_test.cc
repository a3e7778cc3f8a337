// Key slots, and objects of epochs that never were, put there by somebody without a key.
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/forwarding_backend.h"
#include "base/record.h"
#include "repo/key_rotation.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

class PlantedSlots : public RepositoryFixture {
 protected:
  void SetUp() override { make(); }
  Result<std::unique_ptr<Repository>> open_with(const std::string& passphrase) {
    backend::Backend& faults = faults_;
    return Repository::open(std::make_unique<backend::FaultBackend>(faults),
                            {.passphrase = passphrase, .recovery_key = {}}, {},
                            {.clock = clock_, .rng = rng_});
  }
  // A passphrase slot that asks for the dearest derivation there is.
  ObjectId plant_dear_slot() {
    Bytes salt(16);
    rng_.fill(salt);
    Bytes part;
    RecordWriter of_part(part);
    of_part.number(1, 1);
    of_part.bytes(7, salt);
    of_part.number(8, 4 * 1024 * 1024);
    of_part.number(9, 64);
    Bytes record;
    RecordWriter of_slot(record);
    of_slot.bytes(1, part);
    of_slot.bytes(2, noise(200, 1));
    const Bytes object = encode_plain_object(ObjectKind::kKeySlot, open()->config().id, record);
    EXPECT_EQ(problem(memory_.put(object_name(ObjectKind::kKeySlot, id_of(object)), object)), "");
    return id_of(object);
  }
};

// Else this would take hours.
TEST_F(PlantedSlots, ThatAreDearAreTriedAfterTheOthers) {
  for (int i = 0; i < 50; ++i) plant_dear_slot();
  EXPECT_EQ(problem(try_open()), "");
}

TEST_F(PlantedSlots, ThatAreDearAreNamedAndNotTriedInVain) {
  const ObjectId planted = plant_dear_slot();
  const auto refused = open_with("another");
  ASSERT_EQ(code_of(refused), "wrong_key");
  EXPECT_NE(refused.error().describe().find(planted.short_hex()), std::string::npos);
  for (int i = 0; i < 20; ++i) plant_dear_slot();
  EXPECT_NE(open_with("another").error().describe().find("and 13 more"), std::string::npos);
}

TEST_F(PlantedSlots, AreToldWhenTheRepositoryIsOpened) {
  EXPECT_TRUE(open()->unusable_key_slots().empty());
  Keyring strange = Keyring::random(rng_);
  SlotInfo info;
  info.argon2 = kCheapArgon2;
  const Bytes planted = seal_slot(strange, info, {.passphrase = "mine", .recovery_key = {}},
                                  open()->config().id, rng_)
                            .value();
  const std::string name = object_name(ObjectKind::kKeySlot, id_of(planted));
  ASSERT_EQ(problem(memory_.put(name, planted)), "");
  EXPECT_EQ(open()->unusable_key_slots(), std::vector<ObjectId>{id_of(planted)});
}

TEST_F(PlantedSlots, ThatWereRightlyLeftBehindAreToldToo) {
  const auto repository = open();
  SlotInfo info;
  info.argon2 = kCheapArgon2;
  const ObjectId added =
      repository->add_key_slot(info, {.passphrase = "two", .recovery_key = {}}).value();
  const std::string name = object_name(ObjectKind::kKeySlot, added);
  const Bytes bytes = memory_.objects().at(name);
  ASSERT_EQ(problem(repository->rotate_keys(added)), "");
  EXPECT_TRUE(open()->unusable_key_slots().empty());
  ASSERT_EQ(problem(memory_.put(name, bytes)), "");
  EXPECT_EQ(open()->unusable_key_slots(), std::vector<ObjectId>{added});
}

TEST_F(PlantedSlots, ObjectsOfEpochsThatNeverWereDoNotHideARotation) {
  const auto reader = open();
  for (std::uint32_t number = 100; number < 140; ++number)
    EXPECT_FALSE(reader->keyring().late->find(number).value().has_value());
  ASSERT_EQ(problem(open()->rotate_keys({})), "");
  const auto found = reader->keyring().late->find(2);
  ASSERT_EQ(problem(found), "");
  EXPECT_TRUE(found->has_value());
}

TEST_F(PlantedSlots, ABeginningOfAnEpochBesideTheRightOneIsSeen) {
  const auto thief = open();  // has the keys of the first epoch
  ASSERT_EQ(problem(open()->rotate_keys({})), "");
  const auto right = names("epochs/");
  ASSERT_EQ(right.size(), 2U);
  const Bytes kept = memory_.objects().at(right[0]);
  const std::string copy = right[1];
  EXPECT_TRUE(open()->forked_key_epochs().value().empty());
  // He takes both away, begins the epoch anew, and somebody puts the copy back.
  for (const std::string& name : right) remove(name);
  ASSERT_EQ(problem(thief->rotate_keys({})), "");
  ASSERT_EQ(problem(memory_.put(copy, kept)), "");
  const auto forks = open()->forked_key_epochs();
  ASSERT_EQ(problem(forks), "");
  ASSERT_EQ(forks->size(), 1U);
  EXPECT_EQ(forks->front().number, 2U);
  EXPECT_EQ(forks->front().objects.size(), 2U);
}

// Lists no key slots once a key epoch has begun.
class ListsNoMore final : public backend::ForwardingBackend {
 public:
  using Backend::put;
  using ForwardingBackend::ForwardingBackend;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    begun_ = begun_ || name.starts_with("epochs/");
    return inner_.put(name, pieces);
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    if (begun_ && prefix == "keys/") return fail(ErrorCode::kUnavailable, "it does not answer");
    return inner_.list(prefix, each);
  }

 private:
  bool begun_ = false;
};

TEST_F(PlantedSlots, AndOthersThatCannotBeListedDoNotHideThatTheKeysWereChanged) {
  SlotInfo info;
  info.argon2 = kCheapArgon2;
  const ObjectId added =
      open()->add_key_slot(info, {.passphrase = "two", .recovery_key = {}}).value();
  ListsNoMore way(memory_);
  backend::Backend& store = way;
  auto repository = Repository::open(std::make_unique<backend::ForwardingBackend>(store),
                                     test_credential(), {}, {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  const auto rotated = (*repository)->rotate_keys(added);
  ASSERT_EQ(problem(rotated), "");
  EXPECT_EQ(rotated->epoch, 2U);
  EXPECT_TRUE(rotated->not_listed.has_value());
  EXPECT_FALSE(rotated->not_removed.has_value());
  EXPECT_EQ(names("keys/").size(), 1U);
}

}  // namespace
}  // namespace backstay::repo
