// A catalogue of damages: what checks say of each, that dry runs of repairs change nothing, that
// repairs lose nothing that could be read, and that afterwards all that is there can be read.
#include <gtest/gtest.h>

#include "engine/prune.h"
#include "engine/testing/repair_fixture.h"

namespace backstay::engine {
namespace {

class DamageCatalogue : public RepairFixture {
 protected:
  struct Case {
    const char* name;
    std::function<void()> damage;
    // What a check names: the beginning of an object's name; empty: it finds no damage.
    std::string named;
    // What is still damaged when all repairs are done.
    std::string left = {};
    bool opens = true;
  };

  void expect_named(const Case& one) {
    const auto report = try_check();
    ASSERT_EQ(problem(report), "");
    std::string all;
    for (const Damage& damage : report->damages) all += damage.object + ": " + damage.what + "\n";
    if (one.named.empty()) {
      EXPECT_EQ(all, "");
    } else {
      EXPECT_TRUE(std::ranges::any_of(report->damages,
                                      [&](const Damage& damage) {
                                        return damage.object.starts_with(one.named) &&
                                               !damage.next.empty();
                                      }))
          << one.named << " is not among\n"
          << all;
    }
  }
  void expect_left(const Case& one) {
    const auto report = try_check();
    ASSERT_EQ(problem(report), "");
    std::set<std::string> kinds;
    for (const Damage& damage : report->damages)
      kinds.insert(damage.object.substr(0, damage.object.find('/') + 1));
    EXPECT_EQ(kinds, one.left.empty() ? std::set<std::string>() : std::set{one.left});
  }
  // A repository that does not open: nothing is changed, and it is said why.
  void expect_closed() {
    const auto before = memory_.objects();
    for (const RepairMode mode : {RepairMode::kDryRun, RepairMode::kRepair})
      EXPECT_NE(mend_all(mode), "");
    EXPECT_EQ(memory_.objects(), before);
    EXPECT_FALSE(try_check().has_value());
  }
  // Does it dry, and then indeed: both say the same, and the dry one changes nothing.
  template <typename Mend>
  void do_twice(const char* what, const Mend& mend) {
    const auto before = memory_.objects();
    const std::string would = told(mend(RepairMode::kDryRun));
    EXPECT_TRUE(memory_.objects() == before) << "a dry run of repair " << what;
    const auto done = mend(RepairMode::kRepair);
    EXPECT_EQ(problem(done), "");
    EXPECT_EQ(told(done), would) << what;
  }
  // `checked`: after a check, which marks what is damaged; repairs must not rely on that.
  void go_through(const Case& one, bool checked) {
    const Readable before = readable();
    if (checked) expect_named(one);
    const auto damaged = memory_.objects();
    EXPECT_EQ(mend_all(RepairMode::kDryRun), "");
    EXPECT_TRUE(memory_.objects() == damaged) << "a dry run changed something";
    do_twice("index", [this](RepairMode mode) { return mend_index(mode, true); });
    EXPECT_EQ(missing_in(readable(), before), "") << "after repair index";
    do_twice("packs", [this](RepairMode mode) { return mend_packs(mode); });
    EXPECT_EQ(missing_in(readable(), before), "") << "after repair packs";
    do_twice("snapshots", [this](RepairMode mode) { return mend_snapshots(mode); });
    if (!checked) return go_on_unchecked(before, damaged);
    // A snapshot of which nothing can be read stays as it is.
    const bool all_mended = std::ranges::none_of(mended_, [](const RepairedSnapshot& mended) {
      return mended.outcome == SnapshotOutcome::kNothingLeft;
    });
    EXPECT_EQ(missing_in(readable(all_mended), before), "") << "after repair snapshots";
    if (all_mended)
      expect_left(one);
    else
      EXPECT_FALSE(try_check()->damages.empty());
    const auto mended = memory_.objects();
    EXPECT_EQ(mend_all(RepairMode::kRepair), "");
    EXPECT_TRUE(memory_.objects() == mended) << "repairing twice is not as repairing once";
    // The source still has everything: backups are whole, before and after repairs.
    expect_heals();
    memory_.set_objects(damaged);
    expect_heals();
  }
  // Also snapshots alone, as somebody may who is in a hurry.
  void go_on_unchecked(const Readable& before, const backend::MemoryBackend::Objects& damaged) {
    EXPECT_EQ(missing_in(readable(), before), "") << "after repair snapshots";
    memory_.set_objects(damaged);
    do_twice("snapshots alone", [this](RepairMode mode) { return mend_snapshots(mode); });
    EXPECT_EQ(missing_in(readable(), before), "") << "after repair snapshots alone";
  }
  void expect_heals() {
    const BackupReport report = backup_well();
    expect_holds_the_tree(report);
    truth_[report.snapshot.started.seconds] = contents_of(tree_);
    // The same by the eyes of this test.
    const Readable healed = readable();
    const std::int64_t newest = report.snapshot.started.seconds;
    for (const auto& [path, bytes] : truth_.at(newest)) {
      if (healed.contains({newest, path})) continue;
      const bool is_file = tree_.nodes().at(snapshot::key_from_path(path)).bytes != nullptr;
      EXPECT_FALSE(is_file) << path;
    }
  }
  // A run is damaged, a repair writes another in its place, and then the old one is back.
  void leave_superseded(const std::string& run, const std::function<void(Bytes&)>& change) {
    flip(run, 100);
    ASSERT_EQ(problem(mend_index(RepairMode::kRepair, true)), "");
    Bytes old = whole_.at(run);
    change(old);
    if (memory_.objects().contains(run)) remove(run);
    put(run, std::move(old));
  }
  // What was said about the second snapshot is said about the first one.
  void rename_to_first(const char* prefix) {
    const std::string name = names(prefix).front();
    std::string other = name;
    other.replace(other.find(second_.hex()), second_.hex().size(), first_.hex());
    put(other, whole_.at(name));
    remove(name);
  }
  void run(const std::vector<Case>& cases) {
    ASSERT_FALSE(cases.empty());
    for (const Case& one : cases) {
      SCOPED_TRACE(one.name);
      for (const bool checked : {true, false}) {
        SCOPED_TRACE(checked ? "checked" : "not checked");
        memory_.set_objects(whole_);
        one.damage();
        one.opens ? go_through(one, checked) : expect_closed();
      }
    }
  }
};

TEST_F(DamageCatalogue, OfTheIndex) {
  const auto runs = names("index/");
  const auto each = [&](const auto& change) {
    for (const std::string& name : runs) change(name);
  };
  run({
      {.name = "one run missing", .damage = [&] { remove(runs.back()); }, .named = "index"},
      {.name = "one run cut",
       .damage = [&] { replace(runs.back(), [](Bytes& b) { b.resize(b.size() / 2); }); },
       .named = "index/"},
      {.name = "one run flipped", .damage = [&] { flip(runs.back(), 100); }, .named = "index/"},
      {.name = "one run empty",
       .damage = [&] { replace(runs.back(), [](Bytes& b) { b.clear(); }); },
       .named = "index/"},
      {.name = "one run longer",
       .damage = [&] { replace(runs.back(), [](Bytes& b) { b.push_back(1); }); },
       .named = "index/"},
      {.name = "a run of another repository",
       .damage =
           [&] {
             const Bytes run = foreign("index/");
             put(repo::object_name(ObjectKind::kIndexRun, repo::id_of(run)), run);
           },
       .named = "index/"},
      {.name = "two runs exchanged",
       .damage =
           [&] {
             replace(runs.front(), [&](Bytes& b) { b = whole_.at(runs.back()); });
             replace(runs.back(), [&](Bytes& b) { b = whole_.at(runs.front()); });
           },
       .named = "index/"},
      {.name = "all runs missing",
       .damage = [&] { each([&](auto& n) { remove(n); }); },
       .named = "index"},
      {.name = "all runs flipped",
       .damage = [&] { each([&](auto& n) { flip(n, 99); }); },
       .named = "index/"},
      {.name = "a run that another took the place of is there again",
       .damage = [&] { leave_superseded(runs.back(), [](Bytes&) {}); },
       .named = {}},
      {.name = "the same, and it is damaged",
       .damage = [&] { leave_superseded(runs.back(), [](Bytes& b) { b[150] ^= 1; }); },
       .named = "index/",
       .left = "index/"},
  });
}

// No repair needs to look at it: it says nothing that counts.
TEST_F(DamageCatalogue, OfARunThatAnotherTookThePlaceOfEndsWithAPrune) {
  leave_superseded(names("index/").back(), [](Bytes& b) { b[150] ^= 1; });
  const auto found = try_check();
  ASSERT_EQ(problem(found), "");
  ASSERT_EQ(found->damages.size(), 1U);
  EXPECT_TRUE(found->damages.front().next.contains("'backstay prune' removes it"));
  Watch watch;
  Activity activity = watch.activity();
  ASSERT_EQ(problem(prune(*open(), {}, activity)), "");
  EXPECT_TRUE(try_check()->damages.empty());
}

TEST_F(DamageCatalogue, OfDataPacks) {
  const std::string pack = pack_with("/home/user/large");
  const std::string other = another_data_pack(pack);
  const std::string meta = names("meta/").front();
  run({
      {.name = "missing", .damage = [&] { remove(pack); }, .named = pack},
      {.name = "cut",
       .damage = [&] { replace(pack, [](Bytes& b) { b.resize(b.size() / 2); }); },
       .named = pack},
      {.name = "flipped in a frame",
       .damage = [&] { flip_frame(place_of("/home/user/large")); },
       .named = pack},
      {.name = "flipped in the header", .damage = [&] { flip(pack, 40); }, .named = pack},
      {.name = "flipped in the directory",
       .damage = [&] { replace(pack, [](Bytes& b) { b[b.size() - 40] ^= 1; }); },
       .named = pack},
      {.name = "flipped in the trailer",
       .damage = [&] { replace(pack, [](Bytes& b) { b.back() ^= 1; }); },
       .named = pack},
      {.name = "emptied",
       .damage = [&] { replace(pack, [](Bytes& b) { b.clear(); }); },
       .named = pack},
      {.name = "longer",
       .damage = [&] { replace(pack, [](Bytes& b) { b.push_back(0); }); },
       .named = pack},
      {.name = "exchanged with another",
       .damage =
           [&] {
             replace(pack, [&](Bytes& b) { b = whole_.at(other); });
             replace(other, [&](Bytes& b) { b = whole_.at(pack); });
           },
       .named = pack},
      {.name = "exchanged with one of the other kind",
       .damage =
           [&] {
             replace(pack, [&](Bytes& b) { b = whole_.at(meta); });
             replace(meta, [&](Bytes& b) { b = whole_.at(pack); });
           },
       .named = pack},
      {.name = "two at once",
       .damage =
           [&] {
             remove(pack);
             flip(other, repo::kHeaderSize + 3);
           },
       .named = other},
  });
}

TEST_F(DamageCatalogue, OfDataPacksThatNobodyNeeds) {
  const auto make_unneeded = [&] {
    tree_.add_file("/later", noise(90'000, 77));
    const BackupReport later = backup_well();
    tree_.remove("/later");
    remove(repo::object_name(ObjectKind::kSnapshot, {later.id->bytes}));
  };
  const auto unneeded = [&] {
    for (const std::string& name : names("data/")) {
      if (!whole_.contains(name)) return name;
    }
    return std::string();
  };
  run({
      {.name = "missing",
       .damage =
           [&] {
             make_unneeded();
             remove(unneeded());
           },
       .named = {}},
      {.name = "missing, and one that is needed damaged",
       .damage =
           [&] {
             make_unneeded();
             remove(unneeded());
             flip_frame(place_of("/home/user/large"));
           },
       .named = "data/"},
  });
}

TEST_F(DamageCatalogue, OfDataPacksAndTheIndex) {
  const std::string pack = pack_with("/home/user/large");
  run({
      {.name = "flipped, and all index runs missing",
       .damage =
           [&] {
             flip_frame(place_of("/home/user/large"));
             for (const std::string& name : names("index/")) remove(name);
           },
       .named = "index"},
      {.name = "flipped, and the index run that names it missing",
       .damage =
           [&] {
             flip_frame(place_of("/home/user/large"));
             remove(run_naming(pack, true));
           },
       .named = "index"},
      {.name = "flipped, and the index run that names it flipped",
       .damage =
           [&] {
             const std::string run = run_naming(pack, true);
             flip_frame(place_of("/home/user/large"));
             flip(run, 200);
           },
       .named = "index"},
      {.name = "cut, and an index run flipped that does not name it",
       .damage =
           [&] {
             replace(pack, [](Bytes& b) { b.resize(b.size() - 200); });
             flip(run_naming(pack, false), 200);
           },
       .named = pack},
  });
}

TEST_F(DamageCatalogue, OfTrees) {
  const auto leaves = new_pages(0);
  const auto roots = new_pages(1);
  ASSERT_FALSE(leaves.empty());
  ASSERT_EQ(roots.size(), 1U);
  const auto repository = open_past_faults();
  const auto snapshot = repository->read_snapshot(second_);
  const auto entry =
      snapshot::find_entry(*repository, snapshot->tree, snapshot::key_from_path("/home/user/long"));
  ASSERT_GT((*entry)->content.level, 0);
  const auto list = place_of_chunk(*repository, (*entry)->content.extents.front().id);
  run({
      {.name = "one page of entries",
       .damage = [&] { flip_frame(leaves.front()); },
       .named = leaves.front().first},
      {.name = "all new pages of entries",
       .damage =
           [&] {
             std::set<std::pair<std::string, std::uint32_t>> frames(leaves.begin(), leaves.end());
             for (const auto& place : frames) flip_frame(place);
           },
       .named = "meta/",
       .left = "meta/"},
      {.name = "a pack of pages missing",
       .damage = [&] { remove(leaves.front().first); },
       .named = leaves.front().first},
      {.name = "a pack of pages cut",
       .damage = [&] { replace(leaves.front().first, [](Bytes& b) { b.resize(70); }); },
       .named = leaves.front().first},
      {.name = "a content list", .damage = [&] { flip_frame(list); }, .named = list.first},
  });
}

TEST_F(DamageCatalogue, OfSnapshotsAndWhatIsSaidAboutThem) {
  const std::string name = repo::object_name(ObjectKind::kSnapshot, {first_.bytes});
  run({
      {.name = "cut",
       .damage = [&] { replace(name, [](Bytes& b) { b.resize(90); }); },
       .named = name,
       .left = "snapshots/"},
      {.name = "flipped", .damage = [&] { flip(name, 80); }, .named = name, .left = "snapshots/"},
      {.name = "emptied",
       .damage = [&] { replace(name, [](Bytes& b) { b.clear(); }); },
       .named = name,
       .left = "snapshots/"},
      {.name = "of another repository",
       .damage =
           [&] {
             const Bytes stored = foreign("snapshots/");
             put(repo::object_name(ObjectKind::kSnapshot, repo::id_of(stored)), stored);
           },
       .named = "snapshots/",
       .left = "snapshots/"},
      {.name = "under a wrong name",
       .damage =
           [&] {
             put(repo::object_name(ObjectKind::kSnapshot, repo::id_of(Bytes(3, 1))),
                 whole_.at(name));
           },
       .named = "snapshots/",
       .left = "snapshots/"},
      {.name = "a hold",
       .damage = [&] { flip(names("holds/").front(), 70); },
       .named = "holds/",
       .left = "holds/"},
      {.name = "a hold under the name of another's",
       .damage = [&] { rename_to_first("holds/"); },
       .named = "holds/",
       .left = "holds/"},
      {.name = "a change of tags under the name of another's",
       .damage = [&] { rename_to_first("tags/"); },
       .named = "tags/",
       .left = "tags/"},
      {.name = "a change of tags",
       .damage = [&] { flip(names("tags/").front(), 70); },
       .named = "tags/",
       .left = "tags/"},
  });
}

TEST_F(DamageCatalogue, OfKeysAndTheConfig) {
  const auto keys = names("keys/");
  const auto flip_all = [&] {
    for (const std::string& name : keys) flip(name, 90);
  };
  run({
      {.name = "all key slots", .damage = flip_all, .named = {}, .opens = false},
      {.name = "config flipped",
       .damage = [&] { flip("config", 70); },
       .named = {},
       .opens = false},
      {.name = "config missing", .damage = [&] { remove("config"); }, .named = {}, .opens = false},
      {.name = "config of another repository",
       .damage = [&] { replace("config", [&](Bytes& b) { b = foreign("config"); }); },
       .named = {},
       .opens = false},
  });
  // One of several, whichever is not needed to open it.
  for (const std::string& name : keys) {
    memory_.set_objects(whole_);
    flip(name, 90);
    if (!try_open()) continue;
    run({{.name = "one key slot",
          .damage = [&] { flip(name, 90); },
          .named = "keys/",
          .left = "keys/"}});
    return;
  }
  FAIL() << "there was none";
}

TEST_F(DamageCatalogue, OfMarksLeasesAndLeftovers) {
  const std::string pack = pack_with("/home/user/large");
  const auto id = *repo::parse_object_name(ObjectKind::kDataPack, pack);
  const auto mark = [&](const repo::ObjectId& which) {
    EXPECT_EQ(problem(repo::mark_damaged(memory_, open_past_faults()->config().id, which,
                                         repo::PackKind::kData, clock_.now())),
              "");
  };
  const std::string lease = "leases/00112233445566778899aabbccddeeff-0000000000";
  run({
      {.name = "a mark of a whole pack", .damage = [&] { mark(id); }, .named = {}},
      {.name = "a mark of a pack that is not there",
       .damage = [&] { mark(repo::id_of(Bytes(9, 9))); },
       .named = {}},
      {.name = "a mark of garbage",
       .damage = [&] { put(repo::object_name(ObjectKind::kDamageMark, id), Bytes(50, 7)); },
       .named = "damaged/"},
      {.name = "a lease of garbage",
       .damage = [&] { put(lease, Bytes(100, 7)); },
       .named = "leases/",
       .left = "leases/"},
      {.name = "files of others",
       .damage =
           [&] {
             put("data/readme", Bytes(5, 1));
             put("data/aa/short", Bytes(5, 1));
             put("index/00", Bytes(5, 1));
             put("snapshots/notes", {});
             put("other/thing", Bytes(5, 1));
             put("generations/17", Bytes(5, 1));
           },
       .named = {}},
      {.name = "two copies of chunks, one damaged",
       .damage =
           [&] {
             // As after a mark that turned out to be wrong.
             mark(id);
             take_backup();
             for (const std::string& name : names("damaged/")) remove(name);
             flip_frame(place_of("/home/user/large"));
           },
       .named = "data/"},
  });
}

TEST_F(DamageCatalogue, OfWhatKilledWritersLeave) {
  const auto without = memory_.objects();
  tree_.add_file("/later", noise(90'000, 77));
  backup_well();
  const auto leave_packs = [&] {
    tree_.add_file("/later", noise(90'000, 77));
    backup_well();
    for (const char* kind : {"index/", "snapshots/"}) {
      for (const std::string& name : names(kind)) {
        if (!whole_.contains(name)) remove(name);
      }
    }
  };
  const auto new_pack = [&] {
    for (const std::string& name : names("data/")) {
      if (!whole_.contains(name)) return name;
    }
    return std::string();
  };
  run({
      {.name = "packs without run", .damage = leave_packs, .named = {}},
      {.name = "one of them torn",
       .damage =
           [&] {
             leave_packs();
             replace(new_pack(), [](Bytes& b) { b[70] ^= 1; });
           },
       .named = {}},
      {.name = "one of them without its end",
       .damage =
           [&] {
             leave_packs();
             replace(new_pack(), [](Bytes& b) { b.resize(b.size() - 9); });
           },
       .named = {}},
  });
}

}  // namespace
}  // namespace backstay::engine
