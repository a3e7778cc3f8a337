// Clients that write and cannot read (docs/format.md section 10.3).
#include <gtest/gtest.h>

#include <algorithm>

#include "repo/pack.h"
#include "repo/pack_recovery.h"
#include "repo/sealed_record.h"
#include "repo/snapshot_note.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

using backend::FaultBackend;

class WriteOnly : public RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    SlotInfo info;
    info.argon2 = kCheapArgon2;
    info.write_only = true;
    ASSERT_EQ(problem(open()->add_key_slot(info, client_credential())), "");
  }
  static Credential client_credential() { return {.passphrase = "client", .recovery_key = {}}; }
  std::unique_ptr<Repository> client() {
    backend::Backend& faults = faults_;
    auto opened = Repository::open(std::make_unique<FaultBackend>(faults), client_credential(), {},
                                   {.clock = clock_, .rng = rng_});
    EXPECT_EQ(problem(opened), "");
    EXPECT_EQ(problem((*opened)->load_index(
                  [](const auto&, const Error& error) { ADD_FAILURE() << error.describe(); })),
              "");
    return std::move(*opened);
  }
  static StoreSession::Totals put(Repository& repository, const std::vector<Bytes>& plain) {
    StoreSession session(repository, {}, StoreSession::Mode::kStore);
    store(repository, session, plain);
    EXPECT_EQ(problem(session.flush()), "");
    return session.totals();
  }
  static std::vector<Bytes> some(std::uint64_t first) {
    std::vector<Bytes> plain;
    for (std::uint64_t i = 0; i < 40; ++i) plain.push_back(noise(3000, first + i));
    return plain;
  }
  static snapshot::Snapshot sample() {
    snapshot::Snapshot snapshot;
    snapshot.host = "host";
    snapshot.paths = {"/a"};
    snapshot.tree.page.length = 100;
    snapshot.program = "test";
    return snapshot;
  }
};

TEST_F(WriteOnly, StoresWhatAFullKeyReads) {
  const auto plain = some(1);
  put(*client(), plain);
  const auto full = open();
  for (const Bytes& one : plain) {
    const auto read = full->read(ref_of(*full, one));
    ASSERT_EQ(problem(read), "");
    EXPECT_EQ(*read, one);
  }
}

TEST_F(WriteOnly, CannotReadWhatAnybodyStored) {
  put(*open(), some(1));
  const auto writer = client();
  put(*writer, some(100));
  for (const Bytes& one : {some(1)[0], some(100)[0]})
    EXPECT_EQ(code_of(writer->read(ref_of(*writer, one))), "wrong_key");
  ASSERT_EQ(problem(open()->commit_snapshot(sample())), "");
  ASSERT_EQ(problem(writer->commit_snapshot(sample())), "");
  const auto ids = writer->list_snapshots();
  ASSERT_EQ(problem(ids), "");
  for (const auto& id : *ids) EXPECT_EQ(code_of(writer->read_snapshot(id)), "wrong_key");
  EXPECT_EQ(code_of(writer->snapshots([](const auto&, const Error&) { ADD_FAILURE(); })),
            "wrong_key");
  EXPECT_EQ(open()->snapshots([](const auto&, const Error&) { ADD_FAILURE(); })->size(), 2U);
}

TEST_F(WriteOnly, IsSeenInItsSnapshots) {
  ASSERT_EQ(problem(open()->commit_snapshot(sample())), "");
  auto forged = sample();
  forged.host = "client";
  ASSERT_EQ(problem(client()->commit_snapshot(forged)), "");
  const auto found = open()->snapshots([](const auto&, const Error&) { ADD_FAILURE(); });
  ASSERT_EQ(problem(found), "");
  ASSERT_EQ(found->size(), 2U);
  for (const StoredSnapshot& one : *found)
    EXPECT_EQ(one.by_full_key, one.snapshot.host != "client") << one.snapshot.host;
}

// What the keys of a write-only client can seal, without the program that refuses.
TEST_F(WriteOnly, CannotForgeChangesOfTagsNorHolds) {
  const auto full = open();
  const auto id = full->commit_snapshot(sample());
  ASSERT_EQ(problem(id), "");
  const auto writer = client();
  const auto forge = [&](ObjectKind kind, const Bytes& record, NoteName name) {
    const auto stored =
        seal_record(kind, record, writer->keyring(), writer->config(), writer->world().rng);
    if (!stored) return;
    name.bytes = id_of(*stored);
    EXPECT_EQ(problem(memory_.put(note_name(kind, name), *stored)), "");
    EXPECT_EQ(code_of(open_record(kind, *stored, full->keyring(), full->config().id)),
              "corruption");
  };
  NoteName name;
  name.snapshot = ObjectId{id->bytes};
  name.number = 1;
  TagChange change;
  change.added = {"forged"};
  Bytes record;
  encode_tag_change(change, name, record);
  forge(ObjectKind::kTagChange, record, name);
  Hold hold;
  hold.reason = "forged";
  record.clear();
  encode_hold(hold, name, record);
  forge(ObjectKind::kHold, record, name);
  const auto found = open()->snapshots([](const auto&, const Error&) {});
  ASSERT_EQ(problem(found), "");
  ASSERT_EQ(found->size(), 1U);
  EXPECT_TRUE(found->front().snapshot.tags.empty());
}

TEST_F(WriteOnly, StoresNothingThatIsThereWhoeverStoredIt) {
  const auto plain = some(1);
  put(*open(), plain);
  EXPECT_EQ(put(*client(), plain).chunks_added, 0U);
  const auto more = some(100);
  EXPECT_EQ(put(*client(), more).chunks_added, more.size());
  EXPECT_EQ(put(*client(), more).chunks_added, 0U);
  EXPECT_EQ(put(*open(), more).chunks_added, 0U);
}

TEST_F(WriteOnly, PacksAreSealedToTheEpochAndFoundWithoutAnIndex) {
  const auto plain = some(1);
  put(*client(), plain);
  for (const std::string& name : names("data/")) EXPECT_EQ(memory_.objects().at(name)[7], 2);
  for (const std::string& name : names("index/")) {
    EXPECT_EQ(memory_.objects().at(name)[7], 3);
    remove(name);
  }
  const auto full = open();
  full->recover_when_needed([](const RecoveredPacks&) {});
  EXPECT_EQ(problem(full->read(ref_of(*full, plain[3]))), "");
  const auto writer = client();
  writer->recover_when_needed([](const RecoveredPacks&) {});
  EXPECT_NE(problem(writer->read(ref_of(*writer, plain[3]))), "");
}

TEST_F(WriteOnly, PackWithAnyByteOfItsPrefixChangedDoesNotOpen) {
  put(*client(), {noise(100, 1)});
  const auto full = open();
  const Bytes pack = memory_.objects().at(only_name("data/"));
  ASSERT_EQ(problem(open_pack(pack, PackKind::kData, full->keyring(), full->config().id)), "");
  for (std::size_t at = 0; at < kHeaderSize + kKeyExtensionSize; ++at) {
    Bytes changed = pack;
    changed[at] ^= 1;
    EXPECT_FALSE(open_pack(changed, PackKind::kData, full->keyring(), full->config().id))
        << "byte " << at;
  }
  for (std::size_t size = 0; size < pack.size(); size += 7) {
    EXPECT_FALSE(
        open_pack(ByteView(pack).first(size), PackKind::kData, full->keyring(), full->config().id));
  }
}

TEST_F(WriteOnly, ChangesNoKeys) {
  const auto writer = client();
  const auto before = memory_.objects();
  SlotInfo info;
  info.argon2 = kCheapArgon2;
  EXPECT_EQ(code_of(writer->add_key_slot(info, test_credential())), "wrong_key");
  EXPECT_EQ(code_of(writer->rotate_keys({})), "wrong_key");
  const auto slots = writer->key_slots();
  ASSERT_EQ(problem(slots), "");
  for (const KeySlotEntry& slot : *slots) {
    EXPECT_TRUE(slot.confirmed);
    EXPECT_EQ(code_of(writer->remove_key_slot(slot.id)), "wrong_key");
  }
  EXPECT_EQ(memory_.objects(), before);
}

TEST_F(WriteOnly, GoesOnAfterARotation) {
  const auto running = client();
  const auto first = some(1);
  put(*running, first);
  ASSERT_EQ(problem(open()->rotate_keys({})), "");
  const auto full = open();
  const auto second = some(100);
  put(*full, second);
  // Meets index runs of the new epoch.
  EXPECT_EQ(problem(running->load_index(
                [](const auto&, const Error& error) { ADD_FAILURE() << error.describe(); })),
            "");
  EXPECT_EQ(put(*running, second).chunks_added, 0U);
  const auto third = some(200);
  put(*running, third);
  const auto again = client();
  EXPECT_EQ(put(*again, third).chunks_added, 0U);
  EXPECT_EQ(code_of(again->read(ref_of(*again, second[0]))), "wrong_key");
  const auto reader = open();
  for (const Bytes& one : {first[0], second[0], third[0]})
    EXPECT_EQ(problem(reader->read(ref_of(*reader, one))), "");
}

TEST_F(WriteOnly, RepositoryIsMadeWithAFullKeyBesides) {
  memory_.set_objects({});
  const crypto::Secret recovery = crypto::Secret::random(rng_);
  backend::Backend& faults = faults_;
  const auto made = Repository::init(std::make_unique<FaultBackend>(faults), client_credential(),
                                     {.suite = {},
                                      .compression = {},
                                      .argon2 = kCheapArgon2,
                                      .label = {},
                                      .recovery_key_of_write_only = recovery},
                                     {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(made), "");
  EXPECT_TRUE((*made)->keyring().is_write_only());
  put(**made, some(1));
  const auto full = Repository::open(std::make_unique<FaultBackend>(faults),
                                     {.passphrase = {}, .recovery_key = recovery}, {},
                                     {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(full), "");
  EXPECT_FALSE((*full)->keyring().is_write_only());
  EXPECT_EQ(problem((*full)->load_index([](const auto&, const Error&) { ADD_FAILURE(); })), "");
  EXPECT_EQ(problem((*full)->read(ref_of(**full, some(1)[0]))), "");
}

TEST_F(WriteOnly, MergesWhatOnlyAddsAndTakesNothingElseAway) {
  const auto full = open();
  for (std::uint64_t i = 0; i < 8; ++i) put(*full, {noise(3000, 500 + i)});
  const std::string merged = only_name("index/");
  const auto writer = client();
  for (std::uint64_t i = 0; i < 20; ++i) put(*writer, {noise(3000, 600 + i)});
  const auto left = names("index/");
  EXPECT_LT(left.size(), 12U);
  EXPECT_TRUE(std::ranges::find(left, merged) != left.end());
  const auto reader = open();
  for (std::uint64_t i = 0; i < 8; ++i)
    EXPECT_TRUE(reader->index().contains(reader->chunk_id(noise(3000, 500 + i))));
  for (std::uint64_t i = 0; i < 20; ++i)
    EXPECT_TRUE(reader->index().contains(reader->chunk_id(noise(3000, 600 + i))));
  for (const auto& run : client()->index().runs())
    EXPECT_TRUE(run->supersedes().empty() ||
                object_name(ObjectKind::kIndexRun, run->id()) == merged);
}

}  // namespace
}  // namespace backstay::repo
