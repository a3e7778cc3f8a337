// Rotation with whole repositories: who opens what, and what a cut leaves.
#include "repo/key_rotation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "backend/forwarding_backend.h"
#include "base/try.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

using backend::FaultBackend;

SlotInfo cheap_slot(bool write_only = false) {
  SlotInfo info;
  info.argon2 = kCheapArgon2;
  info.write_only = write_only;
  return info;
}

Credential with_passphrase(const std::string& text) {
  return {.passphrase = text, .recovery_key = {}};
}

// Somebody else's step, just before a change of this one's; or its failure.
class Interrupted final : public backend::ForwardingBackend {
 public:
  using Step = std::function<Result<void>(std::string_view name)>;
  using ForwardingBackend::ForwardingBackend;
  void before_removal(std::string_view prefix, Step step) {
    prefix_ = prefix;
    step_ = std::move(step);
  }

  Result<void> remove(std::string_view name) override {
    if (step_ && name.starts_with(prefix_)) {
      const Step step = std::exchange(step_, nullptr);
      TRY(step(name));
    }
    return inner_.remove(name);
  }

 private:
  std::string prefix_;
  Step step_;
};

class KeyRotation : public RepositoryFixture {
 protected:
  Result<std::unique_ptr<Repository>> open_as(const Credential& credential) {
    backend::Backend& faults = faults_;
    auto opened = Repository::open(std::make_unique<FaultBackend>(faults), credential, {},
                                   {.clock = clock_, .rng = rng_});
    if (opened) {
      EXPECT_EQ(problem((*opened)->load_index([](const ObjectId& id, const Error& error) {
                  ADD_FAILURE() << id.short_hex() << ": " << error.describe();
                })),
                "");
    }
    return opened;
  }
  Result<std::unique_ptr<Repository>> open_by_way_of(backend::Backend& way) {
    return Repository::open(std::make_unique<FaultBackend>(way), test_credential(), {},
                            {.clock = clock_, .rng = rng_});
  }
  // As for one that was stopped for so long that its lease does not count any more.
  void forget_leases() {
    for (const std::string& name : names("leases/")) remove(name);
  }
  // Stores one chunk of its own and gives it.
  static Bytes put(Repository& repository, std::uint64_t seed) {
    const Bytes plain = noise(3000, seed);
    StoreSession session(repository, {}, StoreSession::Mode::kStore);
    store(repository, session, {plain});
    EXPECT_EQ(problem(session.flush()), "");
    return plain;
  }
  static std::string problem_of_reading(Repository& repository, const Bytes& plain) {
    return problem(repository.read(ref_of(repository, plain)));
  }
  // The epochs of the objects below `prefix`, ascending.
  std::vector<int> epochs_of(std::string_view prefix) {
    std::vector<int> epochs;
    for (const std::string& name : names(prefix)) epochs.push_back(memory_.objects().at(name)[8]);
    std::ranges::sort(epochs);
    return epochs;
  }
};

TEST_F(KeyRotation, KeepsEverySlotOpeningWhatWasAndWhatComes) {
  make();
  const auto repository = open();
  ASSERT_EQ(problem(repository->add_key_slot(cheap_slot(), with_passphrase("second"))), "");
  const Bytes before = put(*repository, 1);
  const auto slots = names("keys/");
  const auto rotated = repository->rotate_keys({});
  ASSERT_EQ(problem(rotated), "");
  EXPECT_EQ(rotated->epoch, 2U);
  EXPECT_EQ(rotated->carried.size(), 2U);
  EXPECT_TRUE(rotated->left_behind.empty());
  EXPECT_EQ(names("keys/"), slots);
  const Bytes after = put(*repository, 2);
  EXPECT_EQ(epochs_of("data/"), (std::vector<int>{1, 2}));
  for (const Credential& credential : {test_credential(), with_passphrase("second")}) {
    const auto opened = open_as(credential);
    ASSERT_EQ(problem(opened), "");
    EXPECT_EQ(problem_of_reading(**opened, before), "");
    EXPECT_EQ(problem_of_reading(**opened, after), "");
  }
}

TEST_F(KeyRotation, LocksOutWhoIsRevoked) {
  make();
  const auto repository = open();
  const auto stolen = repository->add_key_slot(cheap_slot(), with_passphrase("stolen"));
  ASSERT_EQ(problem(stolen), "");
  const Bytes before = put(*repository, 1);
  const auto thief = open_as(with_passphrase("stolen"));
  ASSERT_EQ(problem(thief), "");
  const auto copy = memory_.objects();
  ASSERT_EQ(problem(repository->rotate_keys(*stolen)), "");
  EXPECT_FALSE(memory_.objects().contains(object_name(ObjectKind::kKeySlot, *stolen)));
  const Bytes after = put(*repository, 2);
  // With the keys that he has in memory: the old, not the new.
  EXPECT_EQ(problem_of_reading(**thief, before), "");
  std::vector<Error> refused;
  EXPECT_EQ(problem((*thief)->load_index(
                [&](const ObjectId&, const Error& error) { refused.push_back(error.clone()); })),
            "");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].code(), ErrorCode::kWrongKey);
  EXPECT_NE(refused[0].describe().find("revoked"), std::string::npos);
  EXPECT_NE(problem_of_reading(**thief, after), "");
  // With the slot put back from a copy.
  const std::string name = object_name(ObjectKind::kKeySlot, *stolen);
  ASSERT_EQ(problem(memory_.put(name, copy.at(name))), "");
  const auto again = open_as(with_passphrase("stolen"));
  ASSERT_EQ(code_of(again), "wrong_key");
  EXPECT_NE(again.error().describe().find("revoked"), std::string::npos);
  // It is seen for what it is, and does not come back with the next rotation.
  const auto slots = repository->key_slots();
  EXPECT_EQ(std::ranges::count(*slots, true, &KeySlotEntry::usable), 1);
  EXPECT_EQ(code_of(repository->rotate_keys({})), "unsupported");
  EXPECT_EQ(problem(repository->rotate_keys(*stolen)), "");
  EXPECT_EQ(problem(open_as(test_credential())), "");
}

TEST_F(KeyRotation, GivesNothingToASlotThatSomebodyWithoutAKeyPutThere) {
  make();
  const auto repository = open();
  Keyring strange = Keyring::random(rng_);
  strange.config_digest = repository->keyring().config_digest;
  const Bytes planted =
      seal_slot(strange, cheap_slot(), with_passphrase("mine"), repository->config().id, rng_)
          .value();
  const std::string name = object_name(ObjectKind::kKeySlot, id_of(planted));
  ASSERT_EQ(problem(memory_.put(name, planted)), "");
  const auto refused = repository->rotate_keys({});
  ASSERT_EQ(code_of(refused), "unsupported");
  EXPECT_NE(refused.error().describe().find(id_of(planted).short_hex()), std::string::npos);
  EXPECT_TRUE(names("epochs/").empty());
  // Nor does it count for a second key.
  const auto slots = repository->key_slots();
  for (const KeySlotEntry& slot : *slots) EXPECT_EQ(slot.usable, slot.id != id_of(planted));
  const ObjectId own = std::ranges::find(*slots, true, &KeySlotEntry::usable)->id;
  EXPECT_EQ(code_of(repository->remove_key_slot(own)), "conflict");
  ASSERT_EQ(problem(repository->remove_key_slot(id_of(planted))), "");
  EXPECT_EQ(problem(repository->rotate_keys({})), "");
}

TEST_F(KeyRotation, LeavesRunningClientsAtWork) {
  make();
  const auto running = open();
  const Bytes early = put(*running, 1);
  const auto other = open();
  ASSERT_EQ(problem(other->rotate_keys({})), "");
  const Bytes after = put(*other, 2);
  // Writes on with the keys that it has; who rotated reads that, too.
  const Bytes meanwhile = put(*running, 3);
  EXPECT_EQ(problem(other->load_index([](const auto&, const Error&) { ADD_FAILURE(); })), "");
  EXPECT_EQ(problem_of_reading(*other, meanwhile), "");
  // Meets the new epoch, and reads it; what it writes from then on is of the new one.
  EXPECT_EQ(problem(running->load_index([](const auto&, const Error&) { ADD_FAILURE(); })), "");
  EXPECT_EQ(problem_of_reading(*running, after), "");
  EXPECT_EQ(problem_of_reading(*running, early), "");
  put(*running, 4);
  EXPECT_EQ(epochs_of("data/"), (std::vector<int>{1, 1, 2, 2}));
}

TEST_F(KeyRotation, TakesInASlotThatIsAddedByWhoDoesNotKnowOfIt) {
  make();
  const auto late = open();
  ASSERT_EQ(problem(open()->rotate_keys({})), "");
  ASSERT_EQ(problem(late->add_key_slot(cheap_slot(), with_passphrase("second"))), "");
  const Bytes plain = put(*open(), 1);
  const auto second = open_as(with_passphrase("second"));
  ASSERT_EQ(problem(second), "");
  EXPECT_EQ(problem_of_reading(**second, plain), "");
}

TEST_F(KeyRotation, LeavesAKeyThatCanRead) {
  make();
  const auto repository = open();
  const ObjectId first = repository->key_slots()->front().id;
  ASSERT_EQ(problem(repository->add_key_slot(cheap_slot(true), with_passphrase("client"))), "");
  EXPECT_EQ(code_of(repository->rotate_keys(first)), "conflict");
  EXPECT_EQ(code_of(repository->remove_key_slot(first)), "conflict");
  EXPECT_TRUE(names("epochs/").empty());
  EXPECT_EQ(code_of(repository->rotate_keys(ObjectId{})), "not_found");
}

TEST_F(KeyRotation, PutsASlotBackWhenAllOthersWentMeanwhile) {
  make();
  ObjectId first;
  ObjectId second;
  {
    const auto repository = open();
    first = repository->key_slots()->front().id;
    second = repository->add_key_slot(cheap_slot(), with_passphrase("second")).value();
  }
  const std::string name = object_name(ObjectKind::kKeySlot, second);
  const Bytes bytes = memory_.objects().at(name);
  Interrupted way(memory_);
  const auto repository = open_by_way_of(way);
  ASSERT_EQ(problem(repository), "");
  way.before_removal(name, [&](std::string_view) {
    return memory_.remove(object_name(ObjectKind::kKeySlot, first));
  });
  EXPECT_EQ(code_of((*repository)->remove_key_slot(second)), "conflict");
  ASSERT_TRUE(memory_.objects().contains(name));
  EXPECT_EQ(memory_.objects().at(name), bytes);
  EXPECT_EQ(problem(open_as(with_passphrase("second"))), "");
}

TEST_F(KeyRotation, PutsASlotBackWhenTheKeysWereChangedMeanwhile) {
  make();
  const auto other = open();
  const ObjectId first = other->key_slots()->front().id;
  const ObjectId second = other->add_key_slot(cheap_slot(), with_passphrase("second")).value();
  Interrupted way(memory_);
  const auto repository = open_by_way_of(way);
  ASSERT_EQ(problem(repository), "");
  // The other one revokes the slot that this one counts on.
  way.before_removal(object_name(ObjectKind::kKeySlot, second),
                     [&](std::string_view) -> Result<void> {
                       forget_leases();
                       const auto rotator = TRY(open_as(with_passphrase("second")));
                       TRY(rotator->rotate_keys(first));
                       return {};
                     });
  EXPECT_EQ(code_of((*repository)->remove_key_slot(second)), "conflict");
  EXPECT_EQ(problem(open_as(with_passphrase("second"))), "");
}

// A passphrase is changed, and the new slot is not known to a rotation that began before.
TEST_F(KeyRotation, DoesNotTakeASlotForAnotherThatARotationLeftBehind) {
  make();
  const auto changing = open();
  const ObjectId first = changing->key_slots()->front().id;
  const ObjectId added = changing->add_key_slot(cheap_slot(), with_passphrase("new")).value();
  const std::string name = object_name(ObjectKind::kKeySlot, added);
  const Bytes bytes = memory_.objects().at(name);
  ASSERT_EQ(problem(memory_.remove(name)), "");
  ASSERT_EQ(problem(open()->rotate_keys({})), "");
  ASSERT_EQ(problem(memory_.put(name, bytes)), "");
  EXPECT_EQ(code_of(changing->remove_key_slot(first)), "conflict");
  EXPECT_EQ(problem(open_as(test_credential())), "");
}

TEST_F(KeyRotation, DoesNothingBesideAnotherChangeOfKeys) {
  make();
  const auto repository = open();
  const ObjectId second = repository->add_key_slot(cheap_slot(), with_passphrase("second")).value();
  const auto slots = names("keys/");
  LeaseRecord record;
  record.operation = kKeyOperation;
  {
    const auto lease = Lease::acquire(memory_, repository->config().id, record, rng_);
    ASSERT_EQ(problem(lease), "");
    EXPECT_EQ(code_of(repository->remove_key_slot(second)), "conflict");
    EXPECT_EQ(code_of(repository->rotate_keys(second)), "conflict");
    EXPECT_EQ(code_of(repository->rotate_keys({})), "conflict");
    EXPECT_EQ(code_of(repository->add_key_slot(cheap_slot(), with_passphrase("third"))),
              "conflict");
  }
  EXPECT_EQ(names("keys/"), slots);
  EXPECT_TRUE(names("epochs/").empty());
  EXPECT_TRUE(names("leases/").empty());
  record.operation = "backup";
  const auto lease = Lease::acquire(memory_, repository->config().id, record, rng_);
  ASSERT_EQ(problem(lease), "");
  EXPECT_EQ(problem(repository->rotate_keys({})), "");
  EXPECT_EQ(problem(repository->remove_key_slot(second)), "");
}

TEST_F(KeyRotation, BeginsNoEpochThatNoFullKeyOpens) {
  make();
  const auto repository = open();
  const ObjectId first = repository->key_slots()->front().id;
  ASSERT_EQ(problem(repository->add_key_slot(cheap_slot(true), with_passphrase("client"))), "");
  ASSERT_EQ(problem(memory_.remove(object_name(ObjectKind::kKeySlot, first))), "");
  EXPECT_EQ(code_of(repository->rotate_keys({})), "conflict");
  EXPECT_TRUE(names("epochs/").empty());
}

TEST_F(KeyRotation, TellsWhatItDidWhenTheRevokedSlotCannotBeRemoved) {
  make();
  const ObjectId stolen = open()->add_key_slot(cheap_slot(), with_passphrase("stolen")).value();
  Interrupted way(memory_);
  const auto repository = open_by_way_of(way);
  ASSERT_EQ(problem(repository), "");
  way.before_removal(object_name(ObjectKind::kKeySlot, stolen),
                     [](std::string_view) { return fail(ErrorCode::kPermissionDenied, "no"); });
  const auto rotated = (*repository)->rotate_keys(stolen);
  ASSERT_EQ(problem(rotated), "");
  EXPECT_EQ(rotated->epoch, 2U);
  EXPECT_EQ(rotated->carried.size(), 1U);
  EXPECT_TRUE(rotated->left_behind.empty());
  ASSERT_TRUE(rotated->not_removed);
  EXPECT_EQ(rotated->not_removed->code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(problem(open_as(with_passphrase("stolen"))), "");
}

// Whatever the call at which it is cut, every slot that goes on opens, and the rotation can be
// done (again).
TEST_F(KeyRotation, CutAnywhereHappenedOrDidNot) {
  for (const auto effect : {FaultBackend::Effect::kLost, FaultBackend::Effect::kApplied}) {
    for (std::uint64_t call = 1;; ++call) {
      ASSERT_LT(call, 100U);
      memory_.set_objects({});
      make();
      ObjectId stolen;
      Bytes before;
      {
        const auto repository = open();
        stolen = repository->add_key_slot(cheap_slot(), with_passphrase("stolen")).value();
        ASSERT_EQ(problem(repository->add_key_slot(cheap_slot(true), with_passphrase("client"))),
                  "");
        before = put(*repository, 1);
      }
      FaultBackend cut(memory_);
      backend::Backend& way = cut;
      const auto repository =
          Repository::open(std::make_unique<FaultBackend>(way), test_credential(), {},
                           {.clock = clock_, .rng = rng_});
      ASSERT_EQ(problem(repository), "");
      cut.crash_at(cut.calls() + call, effect);
      const auto rotated = (*repository)->rotate_keys(stolen);
      if (!cut.crashed()) {
        ASSERT_EQ(problem(rotated), "");
        break;
      }
      ASSERT_EQ(problem(cut.lose_unsynced([](const std::string&) { return true; })), "");
      const auto opened = open_as(test_credential());
      ASSERT_EQ(problem(opened), "") << cut.crashed_in();
      EXPECT_EQ(problem_of_reading(**opened, before), "");
      EXPECT_EQ(problem(open_as(with_passphrase("client"))), "") << cut.crashed_in();
      const bool there = memory_.objects().contains(object_name(ObjectKind::kKeySlot, stolen));
      clock_.advance(std::chrono::seconds(100));  // until its lease does not count any more
      const auto again = (*opened)->rotate_keys(there ? std::optional(stolen) : std::nullopt);
      ASSERT_EQ(problem(again), "") << cut.crashed_in();
      const Bytes after = put(**opened, 2);
      const auto last = open_as(test_credential());
      ASSERT_EQ(problem(last), "");
      EXPECT_EQ(problem_of_reading(**last, after), "");
      EXPECT_NE(problem(open_as(with_passphrase("stolen"))), "");
    }
  }
}

}  // namespace
}  // namespace backstay::repo
