// A client that may only write can write into the index what is not so. A collection does not rely
// on it (docs/format.md section 5.5).
#include <algorithm>
#include <set>

#include "engine/testing/prune_fixture.h"
#include "repo/index_object.h"
#include "repo/run_merge.h"
#include "repo/store_session.h"

namespace backstay::engine {
namespace {

class PruneAmongLiars : public PruneFixture {
 protected:
  static constexpr std::uint64_t kJunk = 9000;

  repo::Credential client_credential() { return {.passphrase = "client", .recovery_key = {}}; }
  std::unique_ptr<repo::Repository> client() {
    auto opened = repo::Repository::open(
        std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(memory_)),
        client_credential(), {}, {.clock = clock_, .rng = rng_});
    if (!opened) {
      repo::SlotInfo info;
      info.argon2 = repo::kCheapArgon2;
      info.write_only = true;
      EXPECT_EQ(problem(open()->add_key_slot(info, client_credential())), "");
      return client();
    }
    EXPECT_EQ(problem((*opened)->load_index([](const auto&, const Error&) {})), "");
    return std::move(*opened);
  }
  // Of all that is stored.
  std::set<repo::IdPrefix> all_chunks() {
    std::set<repo::IdPrefix> ids;
    open()->index().for_each_entry(
        [&](const repo::IdPrefix& id, const repo::ChunkLocation&) { ids.insert(id); });
    return ids;
  }
  // A new pack of one chunk, and an index run that says that everything is there.
  void lie_about_places() {
    clock_.advance(std::chrono::seconds(60));
    const std::set<repo::IdPrefix> ids = all_chunks();
    const auto writer = client();
    repo::StoreSession session(*writer, {}, repo::StoreSession::Mode::kStore);
    const auto refs = store(*writer, session, {noise(5000, kJunk)});
    ASSERT_EQ(problem(session.flush()), "");
    const auto at = writer->index().find(refs[0].id);
    ASSERT_TRUE(at.has_value());
    repo::PackEntries pack{.pack = at->frame.pack,
                           .kind = at->frame.pack_kind,
                           .size_bytes = size_of(*writer, at->frame.pack),
                           .chunks = {}};
    for (const repo::IdPrefix& id : ids) {
      pack.chunks.push_back({.id = id,
                             .frame_offset = at->frame.offset,
                             .sealed_length = at->frame.sealed_length,
                             .raw_length = at->frame.raw_length,
                             .codec = at->frame.codec,
                             .offset_in_frame = 0});
    }
    ASSERT_EQ(problem(writer->index().add({pack})), "");
  }
  static std::uint64_t size_of(const repo::Repository& repository, const repo::ObjectId& pack) {
    for (const auto& one : repository.index().packs()) {
      if (one.id == pack) return one.size_bytes;
    }
    return 0;
  }
  // New packs that are not what their own directories say: content of the newer snapshot, as junk.
  void lie_in_packs() {
    clock_.advance(std::chrono::seconds(60));
    const auto writer = client();
    repo::StoreSession session(*writer, {}, repo::StoreSession::Mode::kStore);
    repo::FrameEncoder encoder;
    std::uint64_t seed = kJunk;
    const auto reading = open();
    for (const Bytes& bytes : kept_chunks(*reading)) {
      const chunk::ChunkRef ref = ref_of(*reading, bytes);
      const Bytes junk = noise(bytes.size(), ++seed);
      const repo::RawFrame frame{.kind = repo::PackKind::kData, .bytes = junk, .chunks = {ref}};
      ASSERT_EQ(problem(session.add(frame, encoder)), "");
    }
    ASSERT_EQ(problem(session.flush()), "");
  }
  // What the newer snapshot's files consist of.
  std::vector<Bytes> kept_chunks(repo::Repository& repository) {
    std::vector<Bytes> chunks;
    snapshot::TreeCursor cursor(repository, newer_.snapshot.tree);
    while (const auto item = cursor.next().value()) {
      if (item->entry.type != snapshot::EntryType::kFile) continue;
      const auto each = [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
        if (extent.kind == snapshot::ExtentKind::kChunk)
          chunks.push_back(TRY(repository.read(
              {.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)})));
        return {};
      };
      EXPECT_EQ(problem(snapshot::for_each_extent(item->entry.content, item->entry.size_bytes,
                                                  repository, each)),
                "");
    }
    return chunks;
  }
  void expect_readable(const BackupReport& report) {
    const auto repository = open();
    EXPECT_EQ(problem(contents_of(*repository, report.snapshot)), "");
  }
  void expect_all_there() {
    expect_holds_the_tree(newer_);
    prune_well(thorough());
    expect_holds_the_tree(newer_);
  }
  // A writer that began before the packs of the older snapshot were condemned commits it again.
  void commit_late() {
    const auto writer = open();
    const auto taken = lease(*writer, "backup", repo::LeaseUse::kWriting);
    snapshot::Snapshot again = older_.snapshot;
    forget(older_);
    EXPECT_GT(prune_well(thorough()).packs_waiting, 0U);
    const auto id = writer->commit_snapshot(again, *taken);
    ASSERT_EQ(problem(id), "");
    older_.id = *id;
    ASSERT_EQ(problem(taken->release()), "");
  }
};

TEST_F(PruneAmongLiars, KeepsWhatARunSaysToBeElsewhere) {
  forget(older_);
  lie_about_places();
  prune_well(thorough());
  // What is not so is out of the index.
  const auto after = open();
  const chunk::ChunkId junk = after->chunk_id(noise(5000, kJunk));
  after->index().for_each_entry([&](const repo::IdPrefix& id, const repo::ChunkLocation& at) {
    const auto place = after->index().find(junk);
    if (place && at.frame.pack == place->frame.pack) {
      EXPECT_EQ(id, repo::prefix_of(junk));
    }
  });
  expect_all_there();
}

TEST_F(PruneAmongLiars, RescuesWhatARunSaysToBeElsewhere) {
  commit_late();
  lie_about_places();
  prune_well(thorough());
  expect_readable(older_);
  expect_holds_the_tree(newer_);
}

TEST_F(PruneAmongLiars, KeepsWhatAPackOnlySaysThatItHas) {
  forget(older_);
  lie_in_packs();
  prune_well(thorough());
  expect_all_there();
}

TEST_F(PruneAmongLiars, RescuesWhatAPackOnlySaysThatItHas) {
  commit_late();
  lie_in_packs();
  prune_well(thorough());
  expect_readable(older_);
  expect_holds_the_tree(newer_);
}

// A client hides nothing: what it says to supersede stays.
TEST_F(PruneAmongLiars, SeesWhatAForgedRunWouldHide) {
  const std::set<repo::IdPrefix> before = all_chunks();
  std::vector<repo::ObjectId> runs;
  for (const auto& run : open()->index().runs()) runs.push_back(run->id());
  ASSERT_EQ(problem(client()->index().add({}, runs)), "");
  EXPECT_EQ(all_chunks(), before);
  forget(older_);
  prune_well(thorough());
  expect_whole();
  expect_holds_the_tree(newer_);
}

TEST_F(PruneAmongLiars, MergesTheRunsOfClientsThatMayNotRemove) {
  const auto writer = client();
  std::map<std::string, Bytes, std::less<>> kept;
  for (std::uint64_t i = 0; i < 20; ++i) {
    repo::StoreSession session(*writer, {}, repo::StoreSession::Mode::kStore);
    store(*writer, session, {noise(3000, kJunk + i)});
    ASSERT_EQ(problem(session.flush()), "");
    for (const std::string& name : names("index/")) kept[name] = memory_.objects().at(name);
  }
  for (const auto& [name, bytes] : kept) (void)memory_.put(name, bytes).has_value();
  ASSERT_GT(names("index/").size(), 20U);
  prune_well();
  EXPECT_LE(names("index/").size(), 14U);
  expect_whole();
}

}  // namespace
}  // namespace backstay::engine
