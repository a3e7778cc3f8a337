#include "repo/key_epoch.h"

#include <gtest/gtest.h>

#include "backend/fault_backend.h"
#include "crypto/hash.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

class KeyEpochObject : public ::testing::Test {
 protected:
  KeyEpochObject() {
    rng_.fill(repository_.bytes);
    keyring_ = Keyring::random(rng_);
  }

  struct Slot {
    PublicSlot seen;
    SlotIdentity identity;
    Keyring keyring;
  };
  Slot slot(bool write_only = false) {
    const Credential credential{.passphrase = {}, .recovery_key = crypto::Secret::random(rng_)};
    const SlotInfo info{.kind = SlotKind::kRecoveryKey,
                        .created = {},
                        .label = {},
                        .host = {},
                        .user = {},
                        .argon2 = {},
                        .write_only = write_only};
    const Bytes stored = seal_slot(keyring_, info, credential, repository_, rng_).value();
    OpenedSlot opened = unlock_slot(stored, credential).value();
    return {.seen = read_public_slot(stored).value(),
            .identity = opened.identity,
            .keyring = opened.keyring};
  }
  // Rotates for these slots, as who has keyring_.
  void rotate(const std::vector<const Slot*>& slots) {
    Rotation rotation{.slots = {}, .time = {.seconds = 9, .nanos = 0}};
    for (const Slot* one : slots) rotation.slots.push_back(one->seen);
    auto epoch = begin_epoch(store_, repository_, keyring_, rotation, rng_);
    ASSERT_EQ(problem(epoch), "");
    keyring_.current_epoch = epoch->number;
    keyring_.epochs.push_back(*epoch);
  }
  Result<void> follow(Slot& one) {
    return follow_epochs(store_, repository_, one.identity, one.keyring);
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : store_.objects()) names.push_back(name);
    return names;
  }
  void change(const std::string& name, const std::function<void(Bytes&)>& how) {
    auto objects = store_.objects();
    how(objects.at(name));
    store_.set_objects(std::move(objects));
  }

  SharedRng rng_{5};
  ManualClock clock_;
  backend::MemoryBackend store_{clock_};
  RepositoryId repository_;
  Keyring keyring_;
};

constexpr const char* kSecond = "epochs/0000000002";

TEST_F(KeyEpochObject, GivesItsSecretToTheSlotsThatGoOnAndToNoOther) {
  Slot one = slot();
  Slot other = slot();
  Slot revoked = slot();
  rotate({&one, &other});
  rotate({&one, &other});
  for (Slot* const each : {&one, &other}) {
    ASSERT_EQ(problem(follow(*each)), "");
    EXPECT_EQ(each->keyring.current_epoch, 3U);
    EXPECT_EQ(each->keyring.current().signer, keyring_.current().signer);
  }
  EXPECT_EQ(code_of(follow(revoked)), "wrong_key");
  EXPECT_EQ(revoked.keyring.current_epoch, 1U);
}

TEST_F(KeyEpochObject, GivesAWriteOnlySlotNothingToReadWith) {
  Slot one = slot(true);
  rotate({&one});
  ASSERT_EQ(problem(follow(one)), "");
  EXPECT_EQ(one.keyring.current_epoch, 2U);
  for (const KeyEpoch& epoch : one.keyring.epochs) EXPECT_TRUE(epoch.is_write_only());
  EXPECT_EQ(one.keyring.current().box, keyring_.current().box);
}

TEST_F(KeyEpochObject, IsSignedByTheEpochBeforeOrNotBelieved) {
  Slot one = slot();
  const Keyring before = keyring_;
  rotate({&one});
  const Keyring after = keyring_;
  // Who knows the slot's public key only.
  keyring_ = Keyring::random(rng_);
  keyring_.current_epoch = 1;
  store_.set_objects({});
  rotate({&one});
  EXPECT_EQ(code_of(follow(one)), "corruption");
  // Who had the keys of the first epoch and did not get those of the second.
  store_.set_objects({});
  keyring_ = before;
  rotate({&one});
  ASSERT_EQ(problem(follow(one)), "");
  Rotation rotation{.slots = {one.seen}, .time = {}};
  Keyring thief = before;
  thief.epochs.push_back(KeyEpoch::from_secret(2, crypto::Secret::random(rng_)));
  thief.current_epoch = 2;
  ASSERT_EQ(problem(begin_epoch(store_, repository_, thief, rotation, rng_)), "");
  EXPECT_EQ(code_of(follow(one)), "corruption");
}

TEST_F(KeyEpochObject, BeginsOnceWhenTwoRotateAtOnce) {
  Slot one = slot();
  const Keyring other = keyring_;
  rotate({&one});
  const Rotation rotation{.slots = {one.seen}, .time = {}};
  EXPECT_EQ(code_of(begin_epoch(store_, repository_, other, rotation, rng_)), "already_exists");
  ASSERT_EQ(problem(follow(one)), "");
  EXPECT_EQ(one.keyring.current().signer, keyring_.current().signer);
}

TEST_F(KeyEpochObject, IsReadFromItsCopyWhenItIsDamagedOrLost) {
  Slot one = slot();
  const Slot fresh = one;
  rotate({&one});
  ASSERT_EQ(names().size(), 2U);
  EXPECT_EQ(names()[0], kSecond);
  change(kSecond, [](Bytes& bytes) { bytes[90] ^= 1; });
  ASSERT_EQ(problem(follow(one)), "");
  EXPECT_EQ(one.keyring.current_epoch, 2U);
  ASSERT_EQ(problem(store_.remove(kSecond)), "");
  one = fresh;
  ASSERT_EQ(problem(follow(one)), "");
  EXPECT_EQ(one.keyring.current_epoch, 2U);
}

TEST_F(KeyEpochObject, GetsItsCopyBackWithTheNextLook) {
  Slot one = slot();
  rotate({&one});
  const std::string copy = names()[1];
  ASSERT_EQ(problem(store_.remove(copy)), "");
  ASSERT_EQ(problem(keep_epoch_copy(store_, repository_, keyring_)), "");
  EXPECT_EQ(names().back(), copy);
}

TEST_F(KeyEpochObject, WithAnyByteChangedIsCorruption) {
  Slot one = slot();
  const KeyEpoch before = keyring_.current();
  rotate({&one});
  const Bytes stored = store_.objects().at(kSecond);
  ASSERT_EQ(problem(decode_epoch_start(stored, before, repository_)), "");
  for_each_flip(stored, [&](const Bytes& damaged, std::size_t at) {
    const auto start = decode_epoch_start(damaged, before, repository_);
    ASSERT_FALSE(start) << "byte " << at;
    EXPECT_TRUE(is_damage(start.error().code()));
    // With a checksum that fits, too.
    Bytes mended = damaged;
    mended.resize(mended.size() - crypto::Digest::kSize);
    append(mended, crypto::blake3(mended).view());
    if (at < mended.size() - crypto::Digest::kSize) {
      EXPECT_FALSE(decode_epoch_start(mended, before, repository_)) << "byte " << at;
    }
  });
  for_each_prefix(stored, [&](ByteView prefix) {
    EXPECT_EQ(code_of(decode_epoch_start(prefix, before, repository_)), "corruption");
  });
}

TEST_F(KeyEpochObject, OfAStoreThatFailsIsNotTakenForDamaged) {
  Slot one = slot();
  rotate({&one});
  backend::FaultBackend faults(store_);
  faults.fail_at(2, ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(follow_epochs(faults, repository_, one.identity, one.keyring)), "unavailable");
}

TEST_F(KeyEpochObject, HasANameOfOneForm) {
  for (const std::string& name :
       {std::string(kSecond), std::string(kSecond) + "-" + std::string(64, 'a')}) {
    ASSERT_TRUE(parse_epoch_name(name)) << name;
    EXPECT_EQ(epoch_name(*parse_epoch_name(name)), name);
  }
  for (const char* const name :
       {"epochs/0000000000", "epochs/2", "epochs/000000000a", "epochs/0000000002-",
        "epochs/0000000002-ab", "epochs/+000000002", "keys/0000000002"}) {
    EXPECT_FALSE(parse_epoch_name(name)) << name;
  }
}

}  // namespace
}  // namespace backstay::repo
