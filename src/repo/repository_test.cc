#include "repo/repository.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <thread>

#include "backend/forwarding_backend.h"
#include "repo/generation.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

using backend::FaultBackend;

snapshot::Snapshot sample_snapshot(std::int64_t started) {
  snapshot::Snapshot snapshot;
  snapshot.started = {.seconds = started, .nanos = 1};
  snapshot.finished = {.seconds = started + 1, .nanos = 2};
  snapshot.host = "host";
  snapshot.user = "user";
  snapshot.paths = {"/a", "/b"};
  snapshot.tags = {"x"};
  snapshot.tree.page.length = 100;
  snapshot.tree.entries = 3;
  snapshot.program = "test";
  return snapshot;
}

class RepositoryAtPlace : public RepositoryFixture {
 protected:
  std::unique_ptr<backend::Backend> way_in() {
    backend::Backend& faults = faults_;
    return std::make_unique<FaultBackend>(faults);
  }
  Result<std::unique_ptr<Repository>> init(const Credential& credential) {
    return init(credential, cheap());
  }
  Result<std::unique_ptr<Repository>> init(const Credential& credential,
                                           const InitOptions& options) {
    return Repository::init(way_in(), credential, options, {.clock = clock_, .rng = rng_});
  }
  Result<std::unique_ptr<Repository>> open_as(const Credential& credential) {
    return Repository::open(way_in(), credential, {}, {.clock = clock_, .rng = rng_});
  }
  static InitOptions cheap(std::optional<crypto::Suite> suite = {}) {
    return {.suite = suite, .compression = {}, .argon2 = kCheapArgon2, .label = "first"};
  }
  static SlotInfo slot_info(SlotKind kind, const std::string& label = {}) {
    SlotInfo info;
    info.kind = kind;
    info.label = label;
    info.argon2 = kCheapArgon2;
    return info;
  }
  static Credential passphrase(const std::string& text) {
    return {.passphrase = text, .recovery_key = {}};
  }
};

// ---- init and open

TEST_F(RepositoryAtPlace, IsNotThereBeforeItIsMade) {
  const auto opened = open_as(passphrase("p"));
  ASSERT_EQ(code_of(opened), "no_repository");
  EXPECT_NE(opened.error().hint(), "");
}

TEST_F(RepositoryAtPlace, OpensForWhoHasThePassphrase) {
  const auto made = init(passphrase("p"));
  ASSERT_EQ(problem(made), "");
  const auto opened = open_as(passphrase("p"));
  ASSERT_EQ(problem(opened), "");
  EXPECT_EQ((*opened)->config().id, (*made)->config().id);
  EXPECT_EQ((*opened)->generation(), 1U);
  for (const Credential& other : {passphrase("q"), passphrase(""), Credential{}}) {
    const auto refused = open_as(other);
    ASSERT_EQ(code_of(refused), "wrong_key");
  }
}

TEST_F(RepositoryAtPlace, IsMadeOnce) {
  ASSERT_EQ(problem(init(passphrase("p"))), "");
  const auto before = memory_.objects();
  EXPECT_EQ(code_of(init(passphrase("q"))), "already_exists");
  EXPECT_EQ(memory_.objects(), before);
}

TEST_F(RepositoryAtPlace, NeedsAPassphraseUnlessItIsToBeOpenToAll) {
  EXPECT_EQ(code_of(init({}, cheap(crypto::Suite::kAes256Gcm))), "invalid_argument");
  EXPECT_TRUE(memory_.objects().empty());
  ASSERT_EQ(problem(init({}, cheap(crypto::Suite::kPlain))), "");
  EXPECT_EQ(problem(open_as({})), "");
}

TEST_F(RepositoryAtPlace, IsNotMadeWithSettingsThatItCouldNotBeOpenedWith) {
  InitOptions options = cheap();
  options.pack_bytes = 1;
  EXPECT_EQ(code_of(init(passphrase("p"), options)), "invalid_argument");
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(RepositoryAtPlace, OfTwoMadeAtOnceIsOne) {
  for (int round = 0; round < 20; ++round) {
    memory_.set_objects({});
    std::latch both(2);
    Result<std::unique_ptr<Repository>> results[2] = {nullptr, nullptr};
    {
      std::jthread other([&] {
        both.arrive_and_wait();
        results[0] = init(passphrase("zero"));
      });
      both.arrive_and_wait();
      results[1] = init(passphrase("one"));
    }
    ASSERT_NE(results[0].has_value(), results[1].has_value());
    const bool first = results[0].has_value();
    EXPECT_EQ(code_of(results[first ? 1 : 0]), "already_exists");
    const auto opened = open_as(passphrase(first ? "zero" : "one"));
    ASSERT_EQ(problem(opened), "");
    EXPECT_EQ(code_of(open_as(passphrase(first ? "one" : "zero"))), "wrong_key");
    const auto slots = (*opened)->key_slots();
    ASSERT_EQ(problem(slots), "");
    EXPECT_EQ(slots->size(), 1U);
  }
}

TEST_F(RepositoryAtPlace, IsMadeWholeOrNotAtAll) {
  for (const auto effect : {FaultBackend::Effect::kLost, FaultBackend::Effect::kApplied}) {
    for (std::uint64_t call = 1;; ++call) {
      ASSERT_LT(call, 100U);
      memory_.set_objects({});
      FaultBackend cut(memory_);
      cut.crash_at(call, effect);
      backend::Backend& way = cut;
      const auto made = Repository::init(std::make_unique<FaultBackend>(way), passphrase("p"),
                                         cheap(), {.clock = clock_, .rng = rng_});
      if (!cut.crashed()) {
        ASSERT_EQ(problem(made), "");
        break;
      }
      ASSERT_FALSE(made);
      ASSERT_EQ(problem(cut.lose_unsynced([](const std::string&) { return true; })), "");
      if (!open_as(passphrase("p"))) {
        EXPECT_EQ(code_of(open_as(passphrase("p"))), "no_repository") << cut.crashed_in();
        EXPECT_EQ(problem(init(passphrase("p"))), "") << cut.crashed_in();
      }
    }
  }
}

TEST_F(RepositoryAtPlace, WithADamagedConfigDoesNotOpen) {
  make();
  const Bytes config = memory_.objects().at("config");
  for_each_flip(config, [&](const Bytes& damaged, std::size_t at) {
    replace("config", [&](Bytes& bytes) { bytes = damaged; });
    const auto opened = try_open();
    ASSERT_FALSE(opened) << "byte " << at;
    EXPECT_TRUE(is_damage(opened.error().code())) << opened.error().describe();
    EXPECT_NE(code_of(opened), "wrong_key");
  });
  replace("config", [](Bytes& bytes) { bytes.resize(kPlainObjectMax + 1); });
  EXPECT_EQ(code_of(try_open()), "corruption");
  replace("config", [](Bytes& bytes) { bytes.clear(); });
  EXPECT_EQ(code_of(try_open()), "corruption");
}

TEST_F(RepositoryAtPlace, WithAnExchangedConfigDoesNotOpen) {
  make();
  Config other = open()->config();
  other.compression = {.mode = Compression::Mode::kOff};
  replace("config", [&](Bytes& bytes) { bytes = encode_config(other); });
  const auto opened = try_open();
  ASSERT_EQ(code_of(opened), "corruption");
  EXPECT_NE(opened.error().hint(), "");
}

TEST_F(RepositoryAtPlace, ReplacedByOneWithoutKeysDoesNotOpenForWhoBringsAPassphrase) {
  Config open_to_all = small_config(rng_);
  open_to_all.suite = crypto::Suite::kPlain;
  ASSERT_EQ(problem(make_repository(memory_, open_to_all, {}, rng_)), "");
  EXPECT_EQ(code_of(open_as(passphrase("mine"))), "wrong_key");
  EXPECT_EQ(problem(open_as({})), "");
}

TEST_F(RepositoryAtPlace, FailsToOpenWhenTheStoreFails) {
  make();
  std::uint64_t calls = 0;
  {
    FaultBackend counting(memory_);
    backend::Backend& way = counting;
    ASSERT_EQ(problem(Repository::open(std::make_unique<FaultBackend>(way), test_credential(), {},
                                       {.clock = clock_, .rng = rng_})),
              "");
    calls = counting.calls();
  }
  ASSERT_GE(calls, 4U);
  for (std::uint64_t call = 1; call <= calls; ++call) {
    FaultBackend failing(memory_);
    failing.fail_at(call, ErrorCode::kUnavailable);
    backend::Backend& way = failing;
    EXPECT_EQ(code_of(Repository::open(std::make_unique<FaultBackend>(way), test_credential(), {},
                                       {.clock = clock_, .rng = rng_})),
              "unavailable")
        << "call " << call;
  }
}

TEST_F(RepositoryAtPlace, KnowsItsGeneration) {
  make();
  const auto before = open();
  Generation generation{
      .number = 5, .condemned = {}, .time = {}, .ended_leases = {}, .kept_snapshots = {}};
  ASSERT_EQ(problem(create_generation(memory_, generation, before->config().id, before->keyring())),
            "");
  EXPECT_EQ(open()->generation(), 5U);
}

// ---- key slots

TEST_F(RepositoryAtPlace, GainsAndLosesKeySlots) {
  make();
  const auto repository = open();
  auto slots = repository->key_slots();
  ASSERT_EQ(problem(slots), "");
  ASSERT_EQ(slots->size(), 1U);
  EXPECT_TRUE(slots->front().opened_this_session);
  const ObjectId first = slots->front().id;
  EXPECT_EQ(code_of(repository->remove_key_slot(first)), "conflict");

  const SlotInfo info = slot_info(SlotKind::kPassphrase, "second");
  const auto second = repository->add_key_slot(info, passphrase("second"));
  ASSERT_EQ(problem(second), "");
  slots = repository->key_slots();
  ASSERT_EQ(slots->size(), 2U);
  for (const KeySlotEntry& slot : *slots) EXPECT_EQ(slot.opened_this_session, slot.id == first);
  EXPECT_EQ(problem(open_as(passphrase("second"))), "");
  EXPECT_EQ(problem(try_open()), "");

  EXPECT_EQ(code_of(repository->remove_key_slot(ObjectId{})), "not_found");
  EXPECT_EQ(problem(repository->remove_key_slot(first)), "");
  EXPECT_EQ(code_of(try_open()), "wrong_key");
  EXPECT_EQ(problem(open_as(passphrase("second"))), "");
  EXPECT_EQ(code_of(repository->remove_key_slot(*second)), "conflict");
}

TEST_F(RepositoryAtPlace, OpensWithARecoveryKey) {
  make();
  const Credential recovery{.passphrase = {}, .recovery_key = crypto::Secret::random(rng_)};
  ASSERT_EQ(problem(open()->add_key_slot(slot_info(SlotKind::kRecoveryKey), recovery)), "");
  EXPECT_EQ(problem(open_as(recovery)), "");
  EXPECT_EQ(problem(try_open()), "");
  EXPECT_EQ(code_of(open_as({.passphrase = {}, .recovery_key = crypto::Secret::random(rng_)})),
            "wrong_key");
}

TEST_F(RepositoryAtPlace, KeepsItsLastReadableSlotBesideADamagedOne) {
  make();
  const auto repository = open();
  const auto first = repository->key_slots()->front().id;
  const auto second =
      repository->add_key_slot(slot_info(SlotKind::kPassphrase), passphrase("second"));
  ASSERT_EQ(problem(second), "");
  replace(object_name(ObjectKind::kKeySlot, *second), [](Bytes& bytes) { bytes[100] ^= 1; });
  EXPECT_EQ(code_of(repository->remove_key_slot(first)), "conflict");
  EXPECT_EQ(problem(try_open()), "");
  EXPECT_EQ(code_of(open_as(passphrase("second"))), "corruption");
  EXPECT_EQ(problem(repository->remove_key_slot(*second)), "");
}

TEST_F(RepositoryAtPlace, WithAllSlotsDamagedOrGoneSaysSo) {
  make();
  const std::string slot = only_name("keys/");
  const Bytes whole = memory_.objects().at(slot);
  for (const std::size_t at : {0U, 4U, 20U, 64U, 100U}) {
    replace(slot, [&](Bytes& bytes) {
      bytes = whole;
      bytes[at] ^= 1;
    });
    EXPECT_EQ(code_of(try_open()), "corruption") << "byte " << at;
  }
  replace(slot, [](Bytes& bytes) { bytes.clear(); });
  EXPECT_EQ(code_of(try_open()), "corruption");
  remove(slot);
  EXPECT_EQ(code_of(try_open()), "corruption");
}

TEST_F(RepositoryAtPlace, IgnoresSlotsOfOtherRepositoriesAndOfLaterKinds) {
  make();
  const auto repository = open();
  SharedRng rng(99);
  const auto stranger = seal_slot(Keyring::random(rng), slot_info(SlotKind::kPassphrase),
                                  test_credential(), RepositoryId{}, rng);
  ASSERT_EQ(problem(memory_.put(object_name(ObjectKind::kKeySlot, id_of(*stranger)), *stranger)),
            "");
  // Field 1: a public part of kind 6; field 2: something wrapped.
  const Bytes record{0x0a, 2, 8, 6, 0x12, 20, 0, 0, 0, 0, 0, 0, 0,
                     0,    0, 0, 0, 0,    0,  0, 0, 0, 0, 0, 0, 0};
  const Bytes later = encode_plain_object(ObjectKind::kKeySlot, repository->config().id, record);
  ASSERT_EQ(problem(memory_.put(object_name(ObjectKind::kKeySlot, id_of(later)), later)), "");
  EXPECT_EQ(problem(try_open()), "");
  EXPECT_EQ(code_of(open_as(passphrase("wrong"))), "wrong_key");
  const auto slots = repository->key_slots();
  ASSERT_EQ(slots->size(), 2U);
  EXPECT_EQ(std::ranges::count(*slots, true, &KeySlotEntry::readable), 1);
}

// ---- snapshots

TEST_F(RepositoryAtPlace, GivesBackItsSnapshotsOldestFirst) {
  make();
  const auto repository = open();
  std::vector<snapshot::SnapshotId> ids;
  for (const std::int64_t started : {30, 10, 20}) {
    const auto id = repository->commit_snapshot(sample_snapshot(started));
    ASSERT_EQ(problem(id), "");
    ids.push_back(*id);
  }
  const auto listed = open()->snapshots([](const auto&, const Error&) { ADD_FAILURE(); });
  ASSERT_EQ(problem(listed), "");
  ASSERT_EQ(listed->size(), 3U);
  EXPECT_EQ((*listed)[0].id, ids[1]);
  EXPECT_EQ((*listed)[1].id, ids[2]);
  EXPECT_EQ((*listed)[2].id, ids[0]);
  EXPECT_EQ((*listed)[0].snapshot, sample_snapshot(10));
  EXPECT_EQ(*repository->read_snapshot(ids[0]), sample_snapshot(30));
  EXPECT_EQ(code_of(repository->read_snapshot({})), "not_found");
}

TEST_F(RepositoryAtPlace, NamesDamagedSnapshotsAndGivesTheOthers) {
  make();
  const auto repository = open();
  const auto good = repository->commit_snapshot(sample_snapshot(1));
  const auto bad = repository->commit_snapshot(sample_snapshot(2));
  const std::string name = object_name(ObjectKind::kSnapshot, ObjectId{bad->bytes});
  const Bytes whole = memory_.objects().at(name);
  const auto expect_named = [&](const Bytes& damaged) {
    replace(name, [&](Bytes& bytes) { bytes = damaged; });
    std::vector<snapshot::SnapshotId> named;
    const auto listed =
        repository->snapshots([&](const auto& id, const Error&) { named.push_back(id); });
    ASSERT_EQ(problem(listed), "");
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_EQ(listed->front().id, *good);
    EXPECT_EQ(named, std::vector<snapshot::SnapshotId>{*bad});
  };
  for_each_flip(whole, [&](const Bytes& damaged, std::size_t) { expect_named(damaged); });
  for_each_prefix(whole, [&](ByteView prefix) { expect_named(to_owned(prefix)); });
}

TEST_F(RepositoryAtPlace, IsNotKeptFromListingByASnapshotOfAStranger) {
  make();
  const auto repository = open();
  ASSERT_EQ(problem(repository->commit_snapshot(sample_snapshot(1))), "");
  Header header{.kind = ObjectKind::kSnapshot,
                .suite = crypto::Suite::kAes256Gcm,
                .key_mode = KeyMode::kDerived,
                .epoch = 99,
                .repository = repository->config().id,
                .salt = {}};
  Bytes stranger(200);
  encode_header(header, stranger);
  ASSERT_EQ(problem(memory_.put(object_name(ObjectKind::kSnapshot, id_of(stranger)), stranger)),
            "");
  std::size_t damaged = 0;
  const auto listed = repository->snapshots([&](const auto&, const Error&) { ++damaged; });
  ASSERT_EQ(problem(listed), "");
  EXPECT_EQ(listed->size(), 1U);
  EXPECT_EQ(damaged, 1U);
}

TEST_F(RepositoryAtPlace, CommitsNoSnapshotThatCouldNotBeReadBack) {
  make();
  const auto repository = open();
  snapshot::Snapshot unsorted = sample_snapshot(1);
  unsorted.paths = {"/b", "/a"};
  EXPECT_EQ(code_of(repository->commit_snapshot(unsorted)), "invalid_argument");
  snapshot::Snapshot large = sample_snapshot(1);
  large.description.assign(kFrameMax + 1, 'x');
  EXPECT_EQ(code_of(repository->commit_snapshot(large)), "invalid_argument");
  EXPECT_TRUE(names("snapshots/").empty());
}

TEST_F(RepositoryAtPlace, FailsToListWhenTheStoreFails) {
  make();
  const auto repository = open();
  ASSERT_EQ(problem(repository->commit_snapshot(sample_snapshot(1))), "");
  const std::uint64_t calls = faults_.calls();
  faults_.fail_at(calls + 2, ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(repository->snapshots([](const auto&, const Error&) { ADD_FAILURE(); })),
            "unavailable");
}

// ---- chunks

class StoredChunks : public RepositoryAtPlace {
 protected:
  void SetUp() override {
    make();
    repository_ = open();
    StoreSession session(*repository_, {.compression = {}, .pack_bytes = 64 * 1024},
                         StoreSession::Mode::kStore);
    for (std::uint64_t i = 0; i < 5; ++i) plaintexts_.push_back(noise(1000 + i, i));
    refs_ = store(*repository_, session, plaintexts_);
    ASSERT_EQ(problem(session.flush()), "");
    repository_ = open();
  }

  std::unique_ptr<Repository> repository_;
  std::vector<Bytes> plaintexts_;
  std::vector<chunk::ChunkRef> refs_;
};

TEST_F(StoredChunks, AreReadBack) {
  for (std::size_t i = 0; i < refs_.size(); ++i) {
    const auto read = repository_->read(refs_[i]);
    ASSERT_EQ(problem(read), "");
    EXPECT_EQ(*read, plaintexts_[i]);
  }
}

TEST_F(StoredChunks, OfAnotherLengthOrIdAreRefused) {
  chunk::ChunkRef ref = refs_[0];
  ref.length -= 1;
  EXPECT_EQ(code_of(repository_->read(ref)), "corruption");
  ref.length += 2;
  EXPECT_EQ(code_of(repository_->read(ref)), "corruption");
  // The index knows 20 bytes of an id; the rest is checked against the plaintext.
  ref = refs_[0];
  ref.id.bytes[31] ^= 1;
  EXPECT_EQ(code_of(repository_->read(ref)), "corruption");
  ref = refs_[0];
  ref.id.bytes[0] ^= 1;
  EXPECT_EQ(code_of(repository_->read(ref)), "not_found");
}

TEST_F(StoredChunks, InAPackThatIsGoneAreNotFound) {
  for (const std::string& name : names("data/")) remove(name);
  for (const auto& ref : refs_) EXPECT_EQ(code_of(repository_->read(ref)), "not_found");
}

TEST_F(StoredChunks, WithAnyByteOfTheirPackChangedAreRefused) {
  const std::string name = names("data/").front();
  const Bytes whole = memory_.objects().at(name);
  const auto located = [&](const chunk::ChunkRef& ref) {
    const auto place = repository_->index().find(ref.id);
    return object_name(ObjectKind::kDataPack, place->frame.pack) == name;
  };
  std::size_t in_pack = 0;
  for (std::size_t at = 0; at < whole.size(); at += 13) {
    replace(name, [&](Bytes& bytes) {
      bytes = whole;
      bytes[at] ^= 1;
    });
    const auto fresh = open();
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      if (!located(refs_[i])) continue;
      ++in_pack;
      const auto read = fresh->read(refs_[i]);
      if (read) {
        EXPECT_EQ(*read, plaintexts_[i]);
      } else {
        EXPECT_TRUE(is_damage(read.error().code())) << read.error().describe();
        EXPECT_NE(read.error().describe().find(name), std::string::npos);
      }
    }
  }
  EXPECT_GT(in_pack, 0U);
}

TEST_F(StoredChunks, OutsideOfTheirFrameAreCorruption) {
  const Bytes frame = noise(100, 1);
  const auto ref = ref_of(*repository_, ByteView(frame).subspan(10, 20));
  EXPECT_EQ(problem(repository_->chunk_in_frame(frame, 10, ref)), "");
  EXPECT_EQ(code_of(repository_->chunk_in_frame(frame, 11, ref)), "corruption");
  EXPECT_EQ(code_of(repository_->chunk_in_frame(frame, 81, ref)), "corruption");
  EXPECT_EQ(code_of(repository_->chunk_in_frame(frame, 0xffff'ffff, ref)), "corruption");
}

TEST_F(StoredChunks, OfAFrameWithAnAbsurdLengthAllocateNothing) {
  FrameLocation frame = repository_->index().find(refs_[0].id)->frame;
  frame.sealed_length = 0xffff'ffff;
  EXPECT_EQ(code_of(repository_->read_frame(frame)), "corruption");
  frame = repository_->index().find(refs_[0].id)->frame;
  frame.raw_length = 0xffff'ffff;
  EXPECT_EQ(code_of(repository_->read_frame(frame)), "corruption");
}

TEST_F(StoredChunks, AreReadByManyThreads) {
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        for (std::size_t i = 0; i < refs_.size(); ++i) {
          const auto read = repository_->read(refs_[i]);
          EXPECT_TRUE(read && *read == plaintexts_[i]);
        }
      }
    });
  }
}

}  // namespace
}  // namespace backstay::repo
