// A repository with two snapshots to damage and to mend. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backend/forwarding_backend.h"
#include "engine/check.h"
#include "engine/notes.h"
#include "engine/repair.h"
#include "engine/testing/backup_fixture.h"
#include "repo/damage_mark.h"
#include "repo/snapshot_note.h"

namespace backstay::engine {

using backend::MemoryBackend;
using repo::ObjectKind;
using snapshot::SnapshotId;

// By when a snapshot was begun, which no repair changes, and path.
using Readable = std::map<std::pair<std::int64_t, std::string>, Bytes>;

class RepairFixture : public BackupFixture {
 protected:
  // Two snapshots, the second with a file whose content takes a list, and folders enough for
  // several pages; a hold and a tag.
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
    for (std::uint64_t i = 0; i < 800; ++i)
      tree_.add_file("/srv/" + std::to_string(i), noise(60, 1000 + i));
    first_ = take_backup();
    tree_.add_file("/home/user/long", noise(700'000, 900));
    tree_.add_file("/etc/small", noise(120, 901));
    tree_.add_file("/srv/7", noise(80, 902));
    second_ = take_backup();
    const auto repository = open();
    ASSERT_EQ(problem(repo::store_hold(*repository, second_,
                                       {.until = {}, .reason = "audit", .author = {}})),
              "");
    repo::TagChange change;
    change.added = {"kept"};
    ASSERT_EQ(problem(repo::store_tag_change(*repository, second_, change)), "");
    repo::SlotInfo info;
    info.argon2 = repo::kCheapArgon2;
    ASSERT_EQ(problem(repository->add_key_slot(info, {.passphrase = "two", .recovery_key = {}})),
              "");
    whole_ = memory_.objects();
  }
  // By way of `through_`, where there is something in the way.
  Result<std::unique_ptr<repo::Repository>> try_open(const repo::OpenOptions& options = {}) {
    if (through_ == nullptr) return BackupFixture::try_open(options);
    return repo::Repository::open(std::make_unique<backend::ForwardingBackend>(*through_),
                                  repo::test_credential(), options, {.clock = clock_, .rng = rng_});
  }
  SnapshotId take_backup() {
    const BackupReport report = backup_well();
    truth_[report.snapshot.started.seconds] = contents_of(tree_);
    return *report.id;
  }

  // ---- looking
  // All files of all snapshots that can be read, and nothing else can: wrong bytes are a failure.
  Readable readable(bool all_of_each = false) {
    Readable found;
    const auto repository = try_open();
    if (!repository) return found;
    (*repository)->recover_when_needed([](const repo::RecoveredPacks&) {});
    const auto snapshots = (*repository)->snapshots([](const SnapshotId&, const Error&) {});
    EXPECT_EQ(problem(snapshots), "");
    EXPECT_EQ(problem((*repository)->load_index([](const auto&, const Error&) {})), "");
    for (const repo::StoredSnapshot& stored : *snapshots)
      read_all(**repository, stored, found, all_of_each);
    return found;
  }
  void read_all(repo::Repository& repository, const repo::StoredSnapshot& stored, Readable& found,
                bool must_be_whole) {
    snapshot::TreeCursor cursor(repository, stored.snapshot.tree);
    const std::int64_t started = stored.snapshot.started.seconds;
    while (true) {
      const auto item = cursor.next();
      if (!item) {
        EXPECT_FALSE(must_be_whole) << problem(item);
        if (!*cursor.skip_damaged_page()) return;
        continue;
      }
      if (!*item) return;
      if ((*item)->entry.type != snapshot::EntryType::kFile) continue;
      const auto bytes = bytes_of(repository, (*item)->entry);
      const std::string path = snapshot::path_from_key((*item)->key);
      EXPECT_TRUE(bytes.has_value() || !must_be_whole) << path << ": " << problem(bytes);
      if (!bytes) continue;
      EXPECT_TRUE(truth_.at(started).at(path) == *bytes) << path;
      found[{started, path}] = *bytes;
    }
  }
  static std::string missing_in(const Readable& after, const Readable& before) {
    std::string out;
    for (const auto& [key, bytes] : before) {
      if (!after.contains(key)) out += key.second + " ";
    }
    return out;
  }
  std::vector<repo::StoredSnapshot> listed() {
    const auto repository = open();
    auto snapshots = repository->snapshots([](const SnapshotId&, const Error&) {});
    EXPECT_EQ(problem(snapshots), "");
    return std::move(*snapshots);
  }

  // ---- verbs
  Result<CheckReport> try_check() {
    Watch watch;
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    options.threads = 2;
    Activity activity = watch.activity();
    return check(**repository, options, activity);
  }
  Result<CheckReport> check_without_key() {
    Watch watch;
    Activity activity = watch.activity();
    return check_names(faults_, {}, activity);
  }
  Result<IndexRepairReport> mend_index(RepairMode mode, bool read_packs = false) {
    Watch watch;
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    Activity activity = watch.activity();
    return repair_index(**repository, {.mode = mode, .read_packs = read_packs, .author = {}},
                        activity);
  }
  Result<PackRepairReport> mend_packs(RepairMode mode, std::vector<std::string> packs = {}) {
    Watch watch;
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    Activity activity = watch.activity();
    return repair_packs(**repository, {.mode = mode, .packs = std::move(packs), .author = {}},
                        activity);
  }
  Result<SnapshotRepairReport> mend_snapshots(RepairMode mode, bool keep = false) {
    Watch watch;
    lost_.clear();
    mended_.clear();
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    Activity activity = watch.activity();
    const SnapshotRepairEvents events{
        .lost = [this](const LostEntry& lost) { lost_.insert(lost.path); },
        .done = [this](const RepairedSnapshot& one) { mended_.push_back(one); }};
    return repair_snapshots(**repository,
                            {.mode = mode, .snapshots = {}, .keep = keep, .author = {}}, events,
                            activity);
  }
  // What a dry run and the real one must say alike.
  static std::string told(const Result<IndexRepairReport>& report) {
    if (!report) return problem(report);
    std::string text;
    for (const auto* list :
         {&report->damaged_runs, &report->strange_runs, &report->packs_unreadable}) {
      for (const ObjectTrouble& one : *list) text += one.object + ": " + one.what + "\n";
      text += "--\n";
    }
    for (const std::uint64_t number :
         {report->runs_replaced, report->packs_taken_in, report->chunks_taken_in,
          report->packs_compared, report->packs_completed, report->packs_missing})
      text += std::to_string(number) + " ";
    return text;
  }
  static std::string told(const Result<PackRepairReport>& report) {
    if (!report) return problem(report);
    std::string text;
    for (const RepairedPack& pack : report->packs) {
      text += pack.object + " " + std::string(to_string(pack.outcome)) + " " + pack.what;
      for (const std::uint64_t number : {pack.frames, pack.frames_damaged, pack.chunks_saved,
                                         pack.bytes_saved, pack.chunks_elsewhere, pack.chunks_lost})
        text += " " + std::to_string(number);
      text += pack.directory_readable ? "\n" : " closed\n";
    }
    return text;
  }
  static std::string told(const Result<SnapshotRepairReport>& report) {
    if (!report) return problem(report);
    std::string text;
    for (const std::uint64_t number : {report->whole, report->replaced, report->kept, report->left,
                                       report->files_lost, report->stretches_lost})
      text += std::to_string(number) + " ";
    for (const SnapshotId& id : report->damaged) text += id.short_hex() + " ";
    return text;
  }
  std::string mend_all(RepairMode mode) {
    std::string trouble = problem(mend_index(mode, true));
    trouble += problem(mend_packs(mode));
    return trouble + problem(mend_snapshots(mode));
  }

  // ---- damaging
  std::string pack_with(const std::string& path) { return place_of(path).first; }
  // Pack and offset of the frame of the first chunk of a file in the second snapshot.
  std::pair<std::string, std::uint32_t> place_of(const std::string& path) {
    const auto repository = open_past_faults();
    const auto snapshot = repository->read_snapshot(second_);
    const auto entry =
        snapshot::find_entry(*repository, snapshot->tree, snapshot::key_from_path(path));
    chunk::ChunkId id = (*entry)->content.extents.front().id;
    return place_of_chunk(*repository, id);
  }
  static std::pair<std::string, std::uint32_t> place_of_chunk(const repo::Repository& repository,
                                                              const chunk::ChunkId& id) {
    const auto at = repository.index().find(id);
    return {repo::object_name(repo::object_kind(at->frame.pack_kind), at->frame.pack),
            at->frame.offset};
  }
  // Those of the pages of the second snapshot's tree that the first one does not have.
  std::vector<std::pair<std::string, std::uint32_t>> new_pages(std::uint8_t wanted_level) {
    const auto repository = open_past_faults();
    std::set<chunk::ChunkId> old;
    const auto collect = [&](const SnapshotId& id, const auto& each) {
      const auto snapshot = repository->read_snapshot(id);
      EXPECT_EQ(problem(snapshot::for_each_page(
                    *repository, snapshot->tree,
                    [&](const chunk::ChunkRef& page, std::uint8_t level) -> Result<bool> {
                      each(page.id, level);
                      return true;
                    })),
                "");
    };
    collect(first_, [&](const chunk::ChunkId& id, std::uint8_t) { old.insert(id); });
    std::vector<std::pair<std::string, std::uint32_t>> places;
    collect(second_, [&](const chunk::ChunkId& id, std::uint8_t level) {
      if (level == wanted_level && !old.contains(id))
        places.push_back(place_of_chunk(*repository, id));
    });
    return places;
  }
  // A run that names the pack, or one that does not.
  std::string run_naming(const std::string& pack, bool names_it) {
    const auto repository = open_past_faults();
    const auto id = *repo::parse_object_name(ObjectKind::kDataPack, pack);
    for (const auto& run : repository->index().runs()) {
      bool found = false;
      for (std::size_t i = 0; i < run->pack_count(); ++i) found = found || run->pack_id(i) == id;
      if (found == names_it) return repo::object_name(ObjectKind::kIndexRun, run->id());
    }
    return {};
  }
  std::string another_data_pack(const std::string& than) {
    const auto all = names("data/");
    return all.front() == than ? all.back() : all.front();
  }
  void flip(const std::string& name, std::size_t at) {
    replace(name, [&](Bytes& bytes) { bytes.at(at) ^= 0x20; });
  }
  void flip_frame(const std::pair<std::string, std::uint32_t>& place) {
    flip(place.first, place.second + 5);
  }
  void put(const std::string& name, Bytes bytes) {
    EXPECT_EQ(problem(memory_.put(name, bytes)), "");
  }
  // An object of this kind of another repository, under its right name.
  Bytes foreign(std::string_view prefix) {
    RepairFixtureOther other;
    return other.object(prefix);
  }

  class RepairFixtureOther : public BackupFixture {
   public:
    void TestBody() override {}
    Bytes object(std::string_view prefix) {
      Bytes other_numbers(100);
      rng_.fill(other_numbers);
      make();
      plant_tree();
      backup_well();
      return memory_.objects().at(names(prefix).front());
    }
  };

  SnapshotId first_;
  SnapshotId second_;
  MemoryBackend::Objects whole_;
  backend::Backend* through_ = nullptr;
  std::map<std::int64_t, std::map<std::string, Bytes>> truth_;
  std::set<std::string> lost_;
  std::vector<RepairedSnapshot> mended_;
};

}  // namespace backstay::engine
