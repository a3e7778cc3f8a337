#include "world.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "engine/prune.h"
#include "repo/lease.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::sim {

namespace {

constexpr std::uint64_t kStepsMax = 200'000;  // calls of all actors

// A repository without a password: keys cost nothing here.
repo::Config tiny_config(Rng& rng) {
  repo::Config config;
  rng.fill(config.id.bytes);
  config.created = {.seconds = 1'700'000'000, .nanos = 0};
  config.suite = crypto::Suite::kPlain;
  config.compression.mode = repo::Compression::Mode::kOff;
  config.cut = {.min_bytes = 1024, .normal_bytes = 4096, .max_bytes = 16384};
  config.fixed_piece_bytes = 4096;
  config.pack_bytes = 64 * 1024;
  config.frame_bytes = 1024;
  config.program = "simulation";
  return config;
}

void make_repository(SharedStore& store, Rng& rng) {
  const repo::Config config = tiny_config(rng);
  const Bytes object = repo::encode_config(config);
  repo::Keyring keyring = repo::Keyring::random(rng);
  keyring.config_digest = crypto::blake3(object);
  repo::SlotInfo info{.kind = repo::SlotKind::kNone,
                      .created = config.created,
                      .label = {},
                      .host = {},
                      .user = {},
                      .argon2 = {}};
  const Bytes slot = repo::seal_slot(keyring, info, {}, config.id, rng).value();
  const auto keep = [&](const std::string& name, const Bytes& bytes) {
    store.objects[name] = {.bytes = std::make_shared<const Bytes>(bytes), .modified = store.now};
  };
  keep(repo::object_name(repo::ObjectKind::kKeySlot, repo::id_of(slot)), slot);
  keep("config", object);
}

}  // namespace

Result<Contents> read_contents(repo::Repository& repository, const snapshot::Snapshot& snapshot) {
  Contents contents;
  snapshot::TreeCursor cursor(repository, snapshot.tree);
  while (const auto item = TRY(cursor.next())) {
    Bytes& bytes = contents[snapshot::path_from_key(item->key)];
    TRY(snapshot::for_each_extent(
        item->entry.content, item->entry.size_bytes, repository,
        [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
          append(bytes,
                 TRY(repository.read(
                     {.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)})));
          return {};
        }));
  }
  return contents;
}

World::World(std::uint64_t seed, std::function<void(const std::string&)> told)
    : story(std::move(told)), dice_(seed), plain_dice_(seed ^ 0x5eed) {}

void World::violate(const std::string& what) {
  if (story) story("VIOLATION: " + what);
  violations.push_back(what);
}

// Usually seconds; now and then so much that every lease is dead, whoever sleeps, and sometimes the
// other way, so that leases are dated ahead.
void World::pass_time() {
  const std::uint64_t dice = dice_.below(1024);
  if (dice < 200) store.now.seconds += static_cast<std::int64_t>(dice_.below(20));
  if (dice < 12) store.now.seconds += static_cast<std::int64_t>(dice_.below(1200));
  if (dice < 4) store.now.seconds += static_cast<std::int64_t>(dice_.below(10 * 24 * 3600));
  if (dice_.below(1024) < 2)
    store.now.seconds -= static_cast<std::int64_t>(dice_.below(40 * 24 * 3600));
  if (dice_.below(500) == 0) store.full = !store.full;
}

// One call of one actor at a time. Some run for long before another one's turn comes, some sleep
// for most of the schedule.
void World::schedule() {
  const std::uint64_t stay = dice_.below(1000);
  std::vector<std::uint64_t> drowsy;
  for (std::size_t i = 0; i < actors_.size(); ++i)
    drowsy.push_back(dice_.below(3) == 0 ? 900 + dice_.below(100) : 0);
  std::size_t turn = 0;
  const auto is_awake = [](const auto& actor) { return !actor->fiber.done(); };
  while (std::ranges::any_of(actors_, is_awake) && steps_ < kStepsMax) {
    if (actors_[turn]->fiber.done() || dice_.below(1000) >= stay)
      turn = dice_.below(actors_.size());
    if (actors_[turn]->fiber.done()) continue;
    if (dice_.below(1000) < drowsy[turn]) {
      pass_time();
      turn = dice_.below(actors_.size());
      continue;
    }
    ++steps_;
    actors_[turn]->fiber.resume();
    pass_time();
  }
  if (steps_ == kStepsMax) violate("the schedule does not end");
}

Result<std::unique_ptr<repo::Repository>> World::open_plainly() {
  return repo::Repository::open(
      std::make_unique<SimBackend>(store, plain_dice_, Faults{}, [] {}), {}, {},
      {.clock = clock_, .rng = plain_dice_, .threads = repo::World::Threads::kCallersOnly});
}

void World::verify(const std::string& when) {
  const auto repository = open_plainly();
  if (!repository) return violate(when + ": " + repository.error().describe());
  const auto snapshots = (*repository)->snapshots([&](const auto& id, const Error& error) {
    violate(when + ": snapshot " + id.short_hex() + " is damaged: " + error.describe());
  });
  if (!snapshots) return violate(when + ": " + snapshots.error().describe());
  const auto loaded = (*repository)->load_index([&](const auto& id, const Error& error) {
    violate(when + ": index run " + id.short_hex() + " is damaged: " + error.describe());
  });
  if (!loaded) return violate(when + ": " + loaded.error().describe());
  std::set<snapshot::SnapshotId> there;
  for (const repo::StoredSnapshot& stored : *snapshots) {
    there.insert(stored.id);
    const auto contents = read_contents(**repository, stored.snapshot);
    if (!contents) {
      violate(when + ": snapshot " + stored.id.short_hex() +
              " cannot be restored: " + contents.error().describe());
      continue;
    }
    const auto known = truth.committed.find(stored.id);
    if (known != truth.committed.end() && known->second != *contents)
      violate(when + ": snapshot " + stored.id.short_hex() + " restores to other bytes");
  }
  for (const auto& [id, contents] : truth.committed) {
    if (!there.contains(id) && !truth.forgotten.contains(id))
      violate(when + ": snapshot " + id.short_hex() + " was committed and is not there");
  }
}

// Leases that are dated ahead are noted by the first, ended by the second, and gone with the third.
void World::collect_all() {
  constexpr int kPrunesMax = 3;
  store.now.seconds += 3600;
  store.full = false;
  const auto lease_is_left = [&] {
    const auto found = store.objects.lower_bound("leases/");
    return found != store.objects.end() && found->first.starts_with("leases/");
  };
  for (int prunes = 1; prunes < kPrunesMax && lease_is_left() && violations.empty(); ++prunes) {
    collect(LeasesAhead::kMayBe);
    store.now.seconds += 3600;
  }
  if (violations.empty()) collect(LeasesAhead::kNo);
}

void World::collect(LeasesAhead leases) {
  const auto repository = open_plainly();
  if (!repository) return violate("the last prune: " + repository.error().describe());
  engine::Progress progress;
  engine::Activity activity{.progress = progress,
                            .stop = {},
                            .report =
                                [&](const std::string& path, const Error& error) {
                                  violate("the last prune: " + path + ": " + error.describe());
                                },
                            .note = [](const std::string&) {}};
  engine::PruneOptions options;
  options.unused_share_max = 0;
  options.uploads = 0;
  const auto report = engine::prune(**repository, options, activity);
  if (!report) return violate("the last prune: " + report.error().describe());
  if (report->chunks_missing > 0) violate("the last prune misses chunks");
  if (leases == LeasesAhead::kNo && report->packs_waiting > 0)
    violate("the last prune leaves packs, and nobody runs");
}

// What is left is what the index names, all of it is needed, and nothing else lies about.
void World::expect_no_leak() {
  const auto repository = open_plainly();
  if (!repository) return violate(repository.error().describe());
  const auto loaded = (*repository)->load_index([](const auto&, const Error&) {});
  if (!loaded) return violate(loaded.error().describe());
  std::set<std::string> named;
  for (const repo::Index::Pack& pack : (*repository)->index().packs())
    named.insert(repo::object_name(repo::object_kind(pack.kind), pack.id));
  if (!(*repository)->index().condemned_packs().empty())
    violate("after the last prune the index names condemned packs");
  std::set<std::string> runs;
  for (const auto& run : (*repository)->index().runs())
    runs.insert(repo::object_name(repo::ObjectKind::kIndexRun, run->id()));
  for (const auto& [name, object] : store.objects) {
    if (name.starts_with("index/") && !runs.contains(name)) violate("a leak: " + name);
    const bool is_pack = name.starts_with("data/") || name.starts_with("meta/");
    if (is_pack && named.erase(name) == 0) violate("a leak: " + name);
    if (name.starts_with("leases/")) violate("a lease is left: " + name);
  }
  for (const std::string& name : named) violate("the index names what is gone: " + name);
  const auto snapshots = (*repository)->snapshots([](const auto&, const Error&) {});
  const auto ids = (*repository)->list_snapshots();
  if (!snapshots || !ids || snapshots->size() != ids->size())
    violate("a snapshot that does not count is left");
  std::set<std::string> before;
  for (const auto& [name, object] : store.objects) before.insert(name);
  collect_all();
  for (const auto& [name, object] : store.objects) {
    if (!before.contains(name)) violate("a prune with nothing to do leaves " + name);
  }
}

std::string World::run() {
  make_repository(store, dice_);
  constexpr std::uint64_t kLateCallsMax = 600;
  if (dice_.below(5) == 0) store.fall_behind(1 + dice_.below(kLateCallsMax));
  const std::uint64_t how = dice_.below(4);  // with few faults, many, or none
  const std::uint64_t often = how == 0 ? 0 : how * 3;
  const Faults faults{
      .crash = often / 2, .lost_answer = often, .refused = often / 2, .twice = often / 2};
  // Something is there already.
  actors_.push_back(std::make_unique<Actor>(*this, Kind::kWriter, dice_.next_u64(), Faults{}));
  while (!actors_[0]->fiber.done()) actors_[0]->fiber.resume();
  actors_.clear();

  constexpr Kind kKinds[] = {Kind::kWriter, Kind::kWriter,    Kind::kWriter,    Kind::kPruner,
                             Kind::kPruner, Kind::kForgetter, Kind::kForgetter, Kind::kTagger,
                             Kind::kReader, Kind::kChecker,   Kind::kRepairer};
  actors_.push_back(std::make_unique<Actor>(*this, Kind::kPruner, dice_.next_u64(), faults));
  const std::uint64_t more = 1 + dice_.below(5);
  for (std::uint64_t i = 0; i < more; ++i) {
    actors_.push_back(std::make_unique<Actor>(*this, kKinds[dice_.below(std::size(kKinds))],
                                              dice_.next_u64(), faults));
  }
  schedule();
  store.arrive_all(dice_);
  // What was reported to be committed is there in any case, now that it is shown.
  store.catch_up();
  verify("at the end");
  if (violations.empty()) collect_all();
  if (violations.empty()) verify("after the last prune");
  if (violations.empty()) expect_no_leak();
  if (violations.empty()) verify("after one prune more");
  std::string told;
  for (const std::string& one : violations) told += (told.empty() ? "" : "; ") + one;
  return told;
}

}  // namespace backstay::sim
