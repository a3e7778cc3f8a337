#include "engine/check.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/check/object_check.h"
#include "engine/testing/backup_fixture.h"
#include "repo/generation.h"
#include "repo/lease.h"

namespace backstay::engine {
namespace {

using backend::MemoryBackend;

class Check : public BackupFixture {
 protected:
  // Two snapshots: data and metadata packs, an index run each, two key slots.
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
    first_ = *backup_well().id;
    tree_.add_file("/home/user/new", noise(20'000, 500));
    second_ = *backup_well().id;
    repo::SlotInfo info;
    info.argon2 = repo::kCheapArgon2;
    const auto slot = open()->add_key_slot(info, {.passphrase = "second", .recovery_key = {}});
    ASSERT_EQ(problem(slot), "");
    whole_ = memory_.objects();
  }

  static CheckOptions reading(ReadData::Mode mode) {
    CheckOptions options;
    options.read_data.mode = mode;
    options.threads = 2;
    return options;
  }
  Result<CheckReport> try_check(const CheckOptions& options = reading(ReadData::Mode::kAll)) {
    watch_ = std::make_unique<Watch>();
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    if (about_to_run) about_to_run();
    Activity activity = watch_->activity();
    return check(**repository, options, activity);
  }
  CheckReport check_well(const CheckOptions& options = reading(ReadData::Mode::kAll)) {
    auto report = try_check(options);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : CheckReport{};
  }
  Result<CheckReport> check_without_key() {
    watch_ = std::make_unique<Watch>();
    Activity activity = watch_->activity();
    CheckOptions options;
    options.threads = 2;
    return check_names(faults_, options, activity);
  }
  static const Damage* find(const CheckReport& report, const std::string& object) {
    const auto found = std::ranges::find(report.damages, object, &Damage::object);
    return found == report.damages.end() ? nullptr : &*found;
  }
  static std::string all_of(const CheckReport& report) {
    std::string text;
    for (const Damage& damage : report.damages) {
      text += damage.object + ": " + damage.what + "\n";
      for (const std::string& affected : damage.affects) text += "  " + affected + "\n";
    }
    return text;
  }
  static bool affects(const Damage& damage, std::string_view what) {
    return std::ranges::any_of(damage.affects, [&](const std::string& affected) {
      return affected.find(what) != std::string::npos;
    });
  }

  // Check names the object, with and without a key, or the repository does not even open.
  void expect_named(const std::string& name, const std::string& how) {
    SCOPED_TRACE(name + " " + how);
    const auto report = try_check();
    if (report) {
      EXPECT_NE(find(*report, name), nullptr) << all_of(*report);
    } else {
      EXPECT_TRUE(code_of(report) == "corruption" || code_of(report) == "unsupported")
          << problem(report);
    }
    const auto names = check_without_key();
    ASSERT_EQ(problem(names), "");
    EXPECT_NE(find(*names, name), nullptr) << all_of(*names);
    memory_.set_objects(whole_);
  }

  snapshot::SnapshotId first_;
  snapshot::SnapshotId second_;
  MemoryBackend::Objects whole_;
};

TEST_F(Check, OfAWholeRepositoryFindsNothing) {
  const std::size_t packs = names("data/").size() + names("meta/").size();
  ASSERT_GE(packs, 4U);
  const CheckReport report = check_well();
  EXPECT_EQ(all_of(report), "");
  EXPECT_EQ(report.snapshots, 2U);
  EXPECT_EQ(report.packs, packs);
  EXPECT_EQ(report.packs_read, packs);
  EXPECT_EQ(report.packs_unindexed, 0U);
  EXPECT_GE(report.pages, 2U);
  EXPECT_GT(report.chunks, 40U);
  EXPECT_FALSE(report.stopped_by_time);
  const auto names = check_without_key();
  ASSERT_EQ(problem(names), "");
  EXPECT_EQ(all_of(*names), "");
  EXPECT_EQ(names->objects_verified, whole_.size());
  EXPECT_EQ(memory_.objects(), whole_);
}

TEST_F(Check, NamesEveryObjectWithAChangedByte) {
  for (const auto& [name, bytes] : whole_) {
    const std::set<std::size_t> places{
        0, 4, 5, 6, 7, 8, 16, 40, 63, 64, 70, bytes.size() / 2, bytes.size() - 1};
    for (const std::size_t at : places) {
      replace(name, [&](Bytes& changed) { changed[at] ^= 0x10; });
      expect_named(name, "byte " + std::to_string(at));
    }
  }
}

TEST_F(Check, NamesEveryObjectThatIsCutShort) {
  for (const auto& [name, bytes] : whole_) {
    for (const std::size_t size :
         std::set<std::size_t>{0, 1, 63, 64, bytes.size() / 2, bytes.size() - 1}) {
      replace(name, [&](Bytes& cut) { cut.resize(size); });
      expect_named(name, "cut to " + std::to_string(size));
    }
  }
}

TEST_F(Check, NamesEveryObjectWithBytesBehindItsEnd) {
  for (const auto& [name, bytes] : whole_) {
    replace(name, [](Bytes& longer) { longer.push_back(0); });
    expect_named(name, "one byte longer");
  }
}

TEST_F(Check, NamesEveryObjectThatIsAnotherOne) {
  const Bytes* before = &whole_.rbegin()->second;
  for (const auto& [name, bytes] : whole_) {
    replace(name, [&](Bytes& other) { other = *before; });
    expect_named(name, "exchanged");
    before = &bytes;
  }
}

// What is not there has no name that one could learn, unless something refers to it.
TEST_F(Check, MissesWhatSomethingRefersTo) {
  for (const auto& [name, bytes] : whole_) {
    SCOPED_TRACE(name);
    remove(name);
    const auto report = try_check();
    if (name == "config") {
      EXPECT_EQ(code_of(report), "no_repository");
    } else if (name.starts_with("keys/")) {
      EXPECT_TRUE(report ? report->damages.empty() : code_of(report) == "wrong_key");
    } else if (name.starts_with("snapshots/")) {
      ASSERT_EQ(problem(report), "");
      EXPECT_EQ(report->snapshots, 1U);
    } else if (name.starts_with("index/")) {
      ASSERT_EQ(problem(report), "");
      EXPECT_NE(find(*report, "index"), nullptr);
      EXPECT_GE(report->packs_unindexed, 1U);
    } else {
      ASSERT_EQ(problem(report), "");
      EXPECT_NE(find(*report, name), nullptr);
    }
    memory_.set_objects(whole_);
  }
}

TEST_F(Check, OfTheStructureAloneFindsPacksThatAreMissingOrOfAnotherSize) {
  const CheckOptions structure = reading(ReadData::Mode::kNone);
  EXPECT_EQ(check_well(structure).packs_read, 0U);
  for (const auto& [name, bytes] : whole_) {
    if (!name.starts_with("data/") && !name.starts_with("meta/")) continue;
    SCOPED_TRACE(name);
    remove(name);
    CheckReport report = check_well(structure);
    EXPECT_NE(find(report, name), nullptr);
    memory_.set_objects(whole_);
    replace(name, [](Bytes& cut) { cut.pop_back(); });
    report = check_well(structure);
    EXPECT_NE(find(report, name), nullptr);
    memory_.set_objects(whole_);
  }
}

TEST_F(Check, OfTheStructureAloneReadsEveryTree) {
  for (const std::string& name : names("meta/")) {
    replace(name, [](Bytes& bytes) {
      for (std::size_t at = 70; at < bytes.size() - 200; at += 100) bytes[at] ^= 1;
    });
    const CheckReport report = check_well(reading(ReadData::Mode::kNone));
    ASSERT_NE(find(report, name), nullptr) << all_of(report);
    EXPECT_GT(find(report, name)->affected_total, 0U);
    memory_.set_objects(whole_);
  }
}

TEST_F(Check, NamesTheFilesThatADamageTouches) {
  const auto repository = open();
  const auto entry =
      entry_in({.id = {}, .snapshot = *repository->read_snapshot(second_)}, "/home/user/new");
  ASSERT_TRUE(entry);
  const auto place = repository->index().find(entry->content.extents.at(0).id);
  ASSERT_TRUE(place);
  const std::string name = repo::object_name(repo::ObjectKind::kDataPack, place->frame.pack);
  for (const bool gone : {false, true}) {
    if (gone) {
      remove(name);
    } else {
      replace(name, [](Bytes& bytes) { bytes[100] ^= 1; });
    }
    const CheckReport report = check_well();
    const Damage* damage = find(report, name);
    ASSERT_NE(damage, nullptr) << all_of(report);
    EXPECT_TRUE(affects(*damage, "snapshot " + second_.short_hex() + ": /home/user/new"))
        << all_of(report);
    EXPECT_FALSE(affects(*damage, first_.short_hex())) << all_of(report);
    EXPECT_EQ(report.damages.size(), 1U) << all_of(report);
    memory_.set_objects(whole_);
  }
}

TEST_F(Check, NamesASnapshotThatCannotBeRead) {
  const std::string name =
      repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{first_.bytes});
  replace(name, [](Bytes& bytes) { bytes[100] ^= 1; });
  const CheckReport report = check_well();
  ASSERT_NE(find(report, name), nullptr);
  EXPECT_TRUE(affects(*find(report, name), "snapshot " + first_.short_hex()));
  EXPECT_EQ(report.snapshots, 1U);
}

TEST_F(Check, NamesTheEntriesOfAPageThatCannotBeRead) {
  for (const std::string& name : names("meta/")) remove(name);
  const CheckReport report = check_well();
  ASSERT_FALSE(report.damages.empty());
  std::uint64_t affected = 0;
  for (const Damage& damage : report.damages) affected += damage.affected_total;
  EXPECT_GE(affected, 2U) << all_of(report);
  EXPECT_NE(all_of(report).find("entries from / on"), std::string::npos) << all_of(report);
}

TEST_F(Check, NamesAListOfContentsByItsPack) {
  Bytes striped;
  for (std::size_t stripe = 0; stripe < 366; ++stripe) {
    append(striped, noise(4096, stripe));
    striped.resize((stripe + 1) * 8192);
  }
  tree_.add_file("/striped", striped);
  BackupOptions fixed = backup_options();
  fixed.cutting = Cutting::kFixed;
  const BackupReport backed_up = backup_well(fixed);
  const auto entry = entry_in(backed_up, "/striped");
  ASSERT_GT(entry->content.level, 0);
  const auto repository = open();
  const auto list = repository->index().find(entry->content.extents.at(0).id);
  const std::string name = repo::object_name(repo::ObjectKind::kMetaPack, list->frame.pack);
  replace(name, [&](Bytes& bytes) { bytes[list->frame.offset] ^= 1; });
  const CheckReport report = check_well(reading(ReadData::Mode::kNone));
  ASSERT_NE(find(report, name), nullptr) << all_of(report);
  EXPECT_EQ(report.damages.size(), 1U) << all_of(report);
}

TEST_F(Check, NamesNoMoreThanAFewOfVeryManyFiles) {
  for (const std::string& name : names("data/")) remove(name);
  const CheckReport report = check_well();
  std::uint64_t affected = 0;
  for (const Damage& damage : report.damages) {
    EXPECT_LE(damage.affects.size(), kAffectedMax);
    affected += damage.affected_total;
  }
  EXPECT_GE(affected, 80U);
}

TEST_F(Check, TakesALostIndexRunAsOneDamage) {
  for (const std::string& name : names("index/")) remove(name);
  const CheckReport report = check_well();
  ASSERT_EQ(report.damages.size(), 1U) << all_of(report);
  EXPECT_EQ(report.damages[0].object, "index");
  // The packs say where everything is: no file is lost.
  EXPECT_EQ(report.damages[0].affected_total, 0U) << all_of(report);
}

TEST_F(Check, SaysThatAPackThatNobodyKnowsIsCorrupt) {
  const Bytes pack = memory_.objects().at(names("data/").front());
  const std::string other = "data/ab/ab" + std::string(62, '0');
  ASSERT_EQ(problem(memory_.put(other, pack)), "");
  const CheckReport report = check_well();
  EXPECT_EQ(report.packs_unindexed, 0U);
  EXPECT_EQ(report.packs_replaced, 1U);
  EXPECT_EQ(all_of(report), "");
}

TEST_F(Check, IgnoresWhatHasNoNameOfAnObject) {
  for (const char* name :
       {"notes", "data/x", "leases/x", "generations/x", "snapshots/x", "parity/x"})
    ASSERT_EQ(problem(memory_.put(name, as_bytes("x"))), "");
  EXPECT_EQ(all_of(check_well()), "");
  EXPECT_EQ(all_of(*check_without_key()), "");
}

TEST_F(Check, NamesDamagedLeasesAndGenerations) {
  const auto repository = open();
  repo::LeaseRecord record;
  record.operation = "backup";
  const auto lease = repo::Lease::acquire(memory_, repository->config().id, record, rng_);
  ASSERT_EQ(problem(lease), "");
  ASSERT_EQ(
      problem(repo::create_generation(
          memory_,
          {.number = 2, .condemned = {}, .time = {}, .ended_leases = {}, .kept_snapshots = {}},
          repository->config().id, repository->keyring())),
      "");
  whole_ = memory_.objects();
  EXPECT_EQ(all_of(check_well()), "");
  for (const char* prefix : {"leases/", "generations/"}) {
    const std::string name = only_name(prefix);
    replace(name, [](Bytes& bytes) { bytes.back() ^= 1; });
    expect_named(name, "last byte");
  }
}

// ---- parts of the data

TEST_F(Check, OfAllPartsReadsEveryPackOnce) {
  std::uint64_t read = 0;
  for (std::uint32_t part = 1; part <= 5; ++part) {
    CheckOptions options;
    options.read_data = {.mode = ReadData::Mode::kPart, .part = part, .parts = 5};
    read += check_well(options).packs_read;
  }
  EXPECT_EQ(read, names("data/").size() + names("meta/").size());
}

TEST_F(Check, OfAShareReadsAboutThatMuch) {
  CheckOptions options;
  options.read_data = {.mode = ReadData::Mode::kPercent, .percent = 30};
  const std::uint64_t some = check_well(options).packs_read;
  EXPECT_GT(some, 0U);
  EXPECT_LT(some, names("data/").size() + names("meta/").size());
  options.read_data = {.mode = ReadData::Mode::kBytes, .bytes = 1};
  EXPECT_EQ(check_well(options).packs_read, 1U);
  options.read_data = {.mode = ReadData::Mode::kPercent, .percent = 100};
  EXPECT_EQ(check_well(options).packs_read, names("data/").size() + names("meta/").size());
}

// Larger than the pieces in which it is read.
TEST(VerifyStored, KnowsALargeObjectByEachOfItsBytes) {
  repo::ManualClock clock;
  MemoryBackend store(clock);
  Bytes whole(9'000'000);
  SeededRng(9).fill(whole);
  repo::encode_header({.kind = repo::ObjectKind::kIndexRun,
                       .suite = crypto::Suite::kAes256Gcm,
                       .key_mode = repo::KeyMode::kDerived,
                       .epoch = 1,
                       .repository = {},
                       .salt = {}},
                      whole);
  const auto verified = [&](repo::ObjectKind kind, const Bytes& bytes) {
    const std::string name = object_name(kind, repo::id_of(whole));
    EXPECT_TRUE(store.put(name, bytes).has_value());
    const auto verdict = check_stages::verify_stored(
        store, {.kind = kind, .name = name, .size_bytes = bytes.size()});
    EXPECT_TRUE(store.remove(name).has_value());
    return verdict ? "" : verdict.error().describe();
  };
  EXPECT_EQ(verified(repo::ObjectKind::kIndexRun, whole), "");
  EXPECT_EQ(verified(repo::ObjectKind::kDataPack, whole), "it is a index run");
  for (const std::size_t at : {std::size_t{70}, whole.size() / 2, whole.size() - 1}) {
    Bytes damaged = whole;
    damaged[at] ^= 1;
    EXPECT_EQ(verified(repo::ObjectKind::kIndexRun, damaged), "its bytes do not match its name");
  }
  EXPECT_EQ(verified(repo::ObjectKind::kIndexRun, Bytes(whole.begin(), whole.end() - 1)),
            "its bytes do not match its name");
}

TEST(ReadDataSubset, IsAPartAShareOrASize) {
  const auto part = parse_read_data_subset("3/30");
  ASSERT_EQ(problem(part), "");
  EXPECT_EQ(part->mode, ReadData::Mode::kPart);
  EXPECT_EQ(part->part, 3U);
  EXPECT_EQ(part->parts, 30U);
  const auto share = parse_read_data_subset("2.5%");
  ASSERT_EQ(problem(share), "");
  EXPECT_EQ(share->mode, ReadData::Mode::kPercent);
  EXPECT_DOUBLE_EQ(share->percent, 2.5);
  const auto size = parse_read_data_subset("2GiB");
  ASSERT_EQ(problem(size), "");
  EXPECT_EQ(size->bytes, 2ULL << 30);
  for (const char* text : {"", "0/5", "6/5", "1/0", "1/", "/5", "a/b", "1/5x", "0%", "101%", "%",
                           "x%", "nan%", "-1%", "0", "many"}) {
    EXPECT_EQ(code_of(parse_read_data_subset(text)), "invalid_argument") << text;
  }
}

// ---- what is not damage

TEST_F(Check, EndsWhenTheStoreCannotBeAsked) {
  const std::uint64_t before = faults_.calls();
  check_well();
  const std::uint64_t calls = faults_.calls() - before;
  std::size_t failures = 0;
  for (std::uint64_t call = 1; call <= calls; ++call) {
    backend::FaultBackend failing(memory_);
    failing.fail_at(call, ErrorCode::kUnavailable);
    backend::Backend& way = failing;
    auto repository =
        repo::Repository::open(std::make_unique<backend::FaultBackend>(way),
                               repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
    if (!repository) {
      ++failures;
      continue;
    }
    Watch watch;
    Activity activity = watch.activity();
    const auto report = check(**repository, reading(ReadData::Mode::kAll), activity);
    // The lease is not needed; whatever else fails is no damage.
    if (report) {
      EXPECT_EQ(all_of(*report), "") << "call " << call;
    } else {
      EXPECT_EQ(code_of(report), "unavailable") << "call " << call;
      ++failures;
    }
  }
  EXPECT_GT(failures, 10U);
}

TEST_F(Check, GoesOnWhereNoLeaseCanBeTaken) {
  faults_.limit_space(0);
  EXPECT_EQ(all_of(check_well()), "");
  const MutexLock lock(watch_->mutex);
  EXPECT_EQ(watch_->notes.size(), 1U);
}

TEST_F(Check, StopsWhenItIsTold) {
  about_to_run = [this] { watch_->stop.request_stop(); };
  EXPECT_EQ(code_of(try_check()), "cancelled");
}

TEST_F(Check, SaysThatTheTimeWasOver) {
  CheckOptions options = reading(ReadData::Mode::kAll);
  options.max_duration = std::chrono::seconds(0);
  const CheckReport report = check_well(options);
  EXPECT_TRUE(report.stopped_by_time);
  EXPECT_EQ(report.packs_read, 0U);
}

TEST_F(Check, WithoutAKeyNeedsARepository) {
  memory_.set_objects({});
  EXPECT_EQ(code_of(check_without_key()), "no_repository");
}

}  // namespace
}  // namespace backstay::engine
