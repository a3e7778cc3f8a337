#include "engine/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_set>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "crypto/random.h"
#include "engine/check/damage_log.h"
#include "engine/check/next_step.h"
#include "engine/check/object_check.h"
#include "engine/check/pack_check.h"
#include "engine/check/pack_damage.h"
#include "engine/check/parity_check.h"
#include "engine/check/presence.h"
#include "engine/check/small_objects.h"
#include "engine/check/tree_check.h"
#include "engine/check/verified_packs.h"
#include "engine/restore/read_lease.h"
#include "io/file.h"
#include "io/machine.h"
#include "repo/config.h"
#include "repo/damage_mark.h"
#include "repo/lease.h"
#include "repo/pack_survey.h"
#include "repo/snapshot_note.h"

namespace backstay::engine {

namespace {

using check_stages::check_pack;
using check_stages::check_presence;
using check_stages::check_small_objects;
using check_stages::check_with_key;
using check_stages::choose_packs;
using check_stages::DamageLog;
using check_stages::for_each_parallel;
using check_stages::Freshness;
using check_stages::judge;
using check_stages::JudgedPack;
using check_stages::list_objects;
using check_stages::note_condemned;
using check_stages::PackStates;
using check_stages::StoredObject;
using check_stages::TreeCheck;
using check_stages::VerifiedPacks;
using check_stages::verify_stored;
using repo::ObjectKind;

bool is_pack(const StoredObject& object) {
  return object.kind == ObjectKind::kDataPack || object.kind == ObjectKind::kMetaPack;
}

std::function<bool()> deadline(const CheckOptions& options, const Activity& activity) {
  const auto start = std::chrono::steady_clock::now();
  return [start, limit = options.max_duration, stop = activity.stop] {
    return stop.stop_requested() || (limit && std::chrono::steady_clock::now() - start >= *limit);
  };
}

Result<void> finish(CheckReport& report, bool complete, DamageLog& log, const Activity& activity) {
  if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  report.stopped_by_time = !complete;
  report.damages = log.take();
  for (Damage& damage : report.damages) damage.next = check_stages::next_step(damage);
  return {};
}

// A check that ends because the store cannot be asked says what it has found until then.
void tell_of(DamageLog& log, const Activity& activity) {
  for (const Damage& damage : log.take())
    activity.report(damage.object, Error(ErrorCode::kCorruption, damage.what));
}

// What a collection frees after it ended this check's lease looks as if it were lost.
Result<void> require_nothing_freed(const restoring::LeasePtr& lease, DamageLog& log,
                                   const Activity& activity) {
  if (log.empty()) return {};
  auto stands = restoring::require_lease(lease);
  if (!stands) tell_of(log, activity);
  return stands;
}

// What was verified is kept on the way, so that a check that is killed has not read in vain.
class VerifiedKeeper {
 public:
  VerifiedKeeper(std::string path, const Clock& clock, Activity& activity)
      : clock_(clock),
        activity_(activity),
        verified_(VerifiedPacks::load(std::move(path), clock.now())),
        saved_(std::chrono::steady_clock::now()) {}

  [[nodiscard]] Freshness freshness(const CheckOptions& options) const {
    if (options.max_age && !verified_.remembers()) {
      activity_.note(
          "without a cache nothing is remembered from check to check: --max-age leaves nothing "
          "out");
    }
    return {.verified = verified_, .max_age = options.max_age, .now = clock_.now()};
  }
  void add(const repo::ObjectId& pack, bool damaged) {
    damaged ? verified_.forget(pack) : verified_.add(pack, clock_.now());
    if (std::chrono::steady_clock::now() - saved_ >= kSaveInterval) save();
  }
  void save(const std::unordered_set<repo::ObjectId>& present) {
    verified_.keep_only(present);
    save();
  }

 private:
  static constexpr std::chrono::seconds kSaveInterval{30};

  void save() {
    saved_ = std::chrono::steady_clock::now();
    const auto saved = verified_.save(clock_.now());
    if (saved || told_) return;
    told_ = true;
    activity_.note("what was verified when could not be kept for later checks: " +
                   saved.error().describe());
  }

  const Clock& clock_;
  Activity& activity_;
  VerifiedPacks verified_;
  std::chrono::steady_clock::time_point saved_;
  bool told_ = false;
};

// What the stages of one check share.
struct CheckRun {
  repo::Repository& repository;
  const CheckOptions& options;
  Activity& activity;
  std::function<bool()> stop_early;
  DamageLog log;
  PackStates states;
  std::vector<repo::Index::Pack> closed;  // strays whose directories are damaged
  CheckReport report;
};

std::string name_of(const repo::Index::Pack& pack) {
  return repo::object_name(repo::object_kind(pack.kind), pack.id);
}

std::unordered_set<repo::ObjectId> ids_of(const std::vector<repo::Index::Pack>& packs) {
  std::unordered_set<repo::ObjectId> ids;
  for (const repo::Index::Pack& pack : packs) ids.insert(pack.id);
  return ids;
}

std::string verified_file(const std::string& cache, const char* name) {
  return cache.empty() ? std::string() : cache + "/" + name;
}

// False when the time was over before all chosen packs were read.
Result<bool> read_packs(CheckRun& run, const std::vector<repo::Index::Pack>& all) {
  if (run.options.read_data.mode == ReadData::Mode::kNone) return true;
  const repo::World world = run.repository.world();
  VerifiedKeeper keeper(verified_file(run.repository.cache_directory(), "verified"), world.clock,
                        run.activity);
  const auto chosen =
      choose_packs(all, run.options.read_data, world.rng, keeper.freshness(run.options));
  run.report.packs_fresh = chosen.fresh;
  std::uint64_t total = 0;
  for (const repo::Index::Pack& pack : chosen.packs) total += pack.size_bytes;
  run.activity.progress.bytes_total += total;
  std::atomic<std::uint64_t> bytes{0};
  std::uint64_t passed = 0;
  Mutex mutex;
  std::vector<JudgedPack> read;
  const auto read_one = [&](std::size_t at) -> Result<void> {
    const repo::Index::Pack& pack = chosen.packs[at];
    run.activity.progress.set_current(name_of(pack));
    std::optional<bool> damaged;
    if (!run.states.lost.contains(pack.id)) {
      const auto verdict =
          TRY_DOING("reading " + name_of(pack), check_pack(run.repository, pack, run.log));
      bytes += verdict.bytes;
      if (verdict.state != check_stages::PackState::kStrange)
        damaged = verdict.state == check_stages::PackState::kDamaged;
    }
    run.activity.progress.bytes_done += pack.size_bytes;
    const MutexLock lock(mutex);
    passed += pack.size_bytes;
    ++run.report.packs_read;
    if (damaged) read.push_back({.pack = pack, .damaged = *damaged});
    if (damaged) keeper.add(pack.id, *damaged);
    return {};
  };
  auto complete =
      for_each_parallel(chosen.packs.size(), run.options.threads, run.stop_early, read_one);
  keeper.save(ids_of(all));
  check_stages::record_marks({.store = run.repository.store(),
                              .repository = run.repository.config().id,
                              .now = world.clock.now()},
                             read, run.states, run.log, run.activity);
  for (const auto& [pack, damaged] : read) {
    damaged ? run.repository.index().distrust({pack.id}) : run.repository.index().trust(pack.id);
  }
  if (!complete) tell_of(run.log, run.activity);
  TRY(complete);
  run.report.bytes_read = bytes;
  run.report.packs_left = chosen.packs.size() - run.report.packs_read;
  run.report.bytes_left = total - passed;
  return *complete;
}

// The packs that no run names, into the index for the time of this check: what snapshots need of
// them is not lost.
Result<void> take_in_strays(CheckRun& run, const repo::PackSurvey& survey) {
  const auto recovered = TRY(run.repository.recover_now(survey));
  run.states.strays.insert(recovered.packs.begin(), recovered.packs.end());
  std::vector<repo::Index::Pack> strays = survey.strays;
  strays.insert(strays.end(), survey.marked_strays.begin(), survey.marked_strays.end());
  for (const auto& [id, error] : recovered.unreadable) {
    const ErrorCode code = error.code();
    if (code == ErrorCode::kNotFound) continue;  // removed after the listing
    if (!repo::is_damage(code)) {
      return std::unexpected(error.clone().with_context("reading packs that no index run names"));
    }
    const repo::Index::Pack& pack = *std::ranges::find(strays, id, &repo::Index::Pack::id);
    // Of a later version, perhaps: whole, and what is in it cannot be said.
    const bool strange = code != ErrorCode::kCorruption;
    if (strange && repo::verify_name(run.repository.store(), repo::object_kind(pack.kind), id)) {
      continue;
    }
    run.log.add(name_of(pack), error.describe());
    run.states.strays.insert(id);
    run.states.bad.insert(id);
    run.closed.push_back(pack);
  }
  return {};
}

// Those that the index names, and by now the strays.
std::vector<repo::Index::Pack> all_packs(const CheckRun& run) {
  std::vector<repo::Index::Pack> packs = run.repository.index().packs();
  packs.insert(packs.end(), run.closed.begin(), run.closed.end());
  return packs;
}

Result<void> check_parity(CheckRun& run, const std::vector<StoredObject>& objects) {
  const bool all = run.options.read_data.mode == ReadData::Mode::kAll;
  return check_stages::check_parity_objects(
      run.repository.store(), objects,
      all ? check_stages::ParityDepth::kWhole : check_stages::ParityDepth::kDirectory,
      run.activity.stop, [&](const Result<void>& read, const StoredObject& object) {
        ++run.report.objects_verified;
        return judge(read, object, run.log);
      });
}

// What is left over and not known to be damaged.
std::uint64_t usable_strays(const CheckRun& run, const repo::PackSurvey& survey) {
  std::uint64_t count = 0;
  for (const auto* packs : {&survey.strays, &survey.marked_strays}) {
    for (const repo::Index::Pack& pack : *packs) {
      if (!run.states.bad.contains(pack.id)) ++count;
    }
  }
  return count;
}

// Those that an earlier check marked and this one did not find whole again.
void name_marked(const std::vector<repo::Index::Pack>& packs, CheckRun& run) {
  for (const repo::Index::Pack& pack : packs) {
    if (run.states.marked.contains(pack.id))
      run.log.add(name_of(pack), "a check found the pack damaged");
  }
}

bool needs_a_stray(const CheckRun& run, const TreeCheck& trees) {
  return std::ranges::any_of(
      trees.needed(), [&](const repo::ObjectId& pack) { return run.states.strays.contains(pack); });
}

}  // namespace

Result<ReadData> parse_read_data_subset(std::string_view text) {
  ReadData wanted;
  const char* const end = text.data() + text.size();
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const auto part = std::from_chars(text.data(), end, wanted.part);
    const auto parts = std::from_chars(text.data() + slash + 1, end, wanted.parts);
    wanted.mode = ReadData::Mode::kPart;
    if (part.ec == std::errc{} && part.ptr == text.data() + slash && parts.ec == std::errc{} &&
        parts.ptr == end && wanted.part >= 1 && wanted.part <= wanted.parts) {
      return wanted;
    }
  } else if (text.ends_with('%')) {
    const auto percent = std::from_chars(text.data(), end - 1, wanted.percent);
    wanted.mode = ReadData::Mode::kPercent;
    if (percent.ec == std::errc{} && percent.ptr == end - 1 && wanted.percent > 0 &&
        wanted.percent <= 100)
      return wanted;
  } else if (const auto bytes = parse_byte_size(text); bytes && *bytes > 0) {
    wanted.mode = ReadData::Mode::kBytes;
    wanted.bytes = *bytes;
    return wanted;
  }
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a part of the data", text))
          .with_hint("Write 1/10 for the first of ten parts, 5%, or a size such as 2GiB."));
}

static Result<std::vector<repo::StoredSnapshot>> list_snapshots(CheckRun& run) {
  return run.repository.snapshots([&](const auto& id, const Error& error) {
    const std::string name = repo::object_name(ObjectKind::kSnapshot, repo::ObjectId{id.bytes});
    run.log.add(name, error.describe());
    run.log.affects({.object = name, .snapshot = id, .path = {}});
  });
}

// False: some is damaged.
static Result<bool> load_index(CheckRun& run) {
  bool whole = true;
  TRY(run.repository.load_settled_index([&](const repo::ObjectId& id, const Error& error) {
    run.log.add(repo::object_name(ObjectKind::kIndexRun, id), error.describe());
    whole = false;
  }));
  return whole;
}

Result<CheckReport> check(repo::Repository& repository, const CheckOptions& options,
                          Activity& activity) {
  CheckRun run{.repository = repository,
               .options = options,
               .activity = activity,
               .stop_early = deadline(options, activity),
               .log = DamageLog(options.affected),
               .states = {},
               .closed = {},
               .report = {}};
  // A check on a medium that cannot be written is still a check.
  const auto lease = TRY(restoring::take_read_lease(repository, "check", activity));

  // Snapshots before the index, the index before the packs: a backup that commits meanwhile is not
  // seen half.
  const auto snapshots = TRY(list_snapshots(run));
  run.report.snapshots = snapshots.size();
  const bool index_is_whole = TRY_DOING("loading the index", load_index(run));
  const auto packs = repository.index().packs();
  run.report.packs = packs.size();
  const auto survey = TRY(repo::survey_packs(repository.store(), repository.index()));
  run.states.marked.insert(survey.marked.begin(), survey.marked.end());
  const auto objects = TRY_DOING("listing the repository", list_objects(repository.store()));
  TRY(check_small_objects(repository.store(), objects, run.log, run.report, activity.stop));
  TRY(check_with_key(repository, objects, run.log));
  TRY(check_parity(run, objects));
  TRY(check_presence(repository.store(), packs, objects, run.states, run.log, activity.stop));
  note_condemned(repository.index(), objects, run.states);
  TRY(take_in_strays(run, survey));
  name_marked(all_packs(run), run);
  repository.index().distrust({run.states.bad.begin(), run.states.bad.end()});

  // The trees come first: they are the smaller part, and what a time budget must not starve.
  TreeCheck trees(repository, run.log, activity, run.states.bad, run.states.strays);
  for (const repo::StoredSnapshot& snapshot : snapshots) {
    activity.progress.set_current("snapshot " + snapshot.id.short_hex());
    run.report.structure_complete =
        TRY(trees.check(snapshot, run.stop_early)) && run.report.structure_complete;
  }
  if (index_is_whole && needs_a_stray(run, trees)) {
    run.log.add("index",
                "chunks that snapshots refer to are in no index run: their packs say where they "
                "are, and the next backup brings them into the index");
  }
  bool complete = TRY(read_packs(run, all_packs(run))) && run.report.structure_complete;
  if (run.report.structure_complete) {
    run.report.packs_replaced =
        check_stages::drop_replaced(all_packs(run), run.states, trees.needed(), run.log);
  }
  run.report.packs_unindexed = usable_strays(run, survey);
  if (!run.log.empty()) {
    // As much time again, so that a damage that was found in the last minute is named, too.
    const auto enough = deadline(options, activity);
    for (const repo::StoredSnapshot& snapshot : snapshots)
      complete = TRY(trees.name_affected(snapshot, enough)) && complete;
  }
  run.report.pages = trees.pages();
  run.report.chunks = trees.chunks();
  TRY(require_nothing_freed(lease, run.log, activity));
  TRY(finish(run.report, complete, run.log, activity));
  if (!run.report.damages.empty() && !repository.store().capabilities().lists_at_once) {
    activity.note(
        "this store may list objects only some time after they came: what is said to be missing "
        "may not be listed yet. Check again before anything is repaired");
  }
  check_stages::advise_parity(parity_place(repository), run.report.damages, activity);
  return std::move(run.report);
}

// Without a key a pack's damage is recorded all the same: the mark is a plain object.
static void mark_damaged_packs(backend::Backend& store, const std::vector<StoredObject>& objects,
                               DamageLog& log, Activity& activity) {
  const auto config = repo::get_object(store, "config", repo::kPlainObjectMax);
  const auto decoded = config ? repo::decode_config(*config)
                              : Result<repo::Config>(std::unexpected(config.error().clone()));
  if (!decoded) return;
  std::vector<JudgedPack> packs;
  for (const StoredObject& object : objects) {
    if (!is_pack(object) || !log.contains(object.name)) continue;
    const auto id = repo::parse_object_name(object.kind, object.name);
    if (!id) continue;
    packs.push_back(
        {.pack = {.id = *id, .kind = static_cast<repo::PackKind>(object.kind)}, .damaged = true});
  }
  if (packs.empty()) return;
  PackStates states;
  if (const auto marked = repo::marked_packs(store)) {
    states.marked.insert(marked->begin(), marked->end());
  }
  check_stages::record_marks(
      {.store = store, .repository = decoded->id, .now = SystemClock().now()}, packs, states, log,
      activity);
}

// Packs last, those that were not verified for longest first. Returns how many are left out.
static std::uint64_t put_in_turn(std::vector<StoredObject>& objects, const Freshness& freshness) {
  const auto pack_of = [](const StoredObject& object) {
    return is_pack(object) ? repo::parse_object_name(object.kind, object.name)
                           : fail(ErrorCode::kInvalidArgument, "not a pack");
  };
  std::ranges::sort(objects, {}, [&](const StoredObject& object) {
    const auto pack = pack_of(object);
    const std::int64_t rank = pack ? freshness.verified.verified_at(*pack).value_or(-1) : -2;
    return std::pair(rank, object.name);
  });
  return std::erase_if(objects, [&](const StoredObject& object) {
    const auto pack = pack_of(object);
    return pack && freshness.is_fresh(*pack);
  });
}

// Where what was verified without a key is kept: the config says whose it is.
static std::string names_file(backend::Backend& store, const std::string& caches) {
  if (caches.empty()) return {};
  const auto config = repo::get_object(store, "config", repo::kPlainObjectMax);
  const auto decoded = config ? repo::decode_config(*config)
                              : Result<repo::Config>(std::unexpected(config.error().clone()));
  if (!decoded) return {};
  const std::string folder = caches + "/" + decoded->id.hex();
  return io::make_directories(folder) ? folder + "/verified-names" : std::string();
}

namespace {

// All objects by themselves.
class NameCheck {
 public:
  NameCheck(backend::Backend& store, const CheckOptions& options, Activity& activity)
      : store_(store),
        options_(options),
        activity_(activity),
        keeper_(names_file(store, options.caches), clock_, activity) {}

  Result<CheckReport> run() {
    const auto stop_early = deadline(options_, activity_);
    const auto all = TRY_DOING("listing the repository", list_objects(store_));
    std::vector<StoredObject> objects = all;
    report_.packs_fresh = put_in_turn(objects, keeper_.freshness(options_));
    std::uint64_t total = 0;
    for (const StoredObject& object : objects) total += object.size_bytes;
    activity_.progress.bytes_total += total;
    auto complete = for_each_parallel(objects.size(), options_.threads, stop_early,
                                      [&](std::size_t at) { return read_one(objects[at]); });
    keeper_.save(present_packs(all));
    mark_damaged_packs(store_, objects, log_, activity_);
    if (!complete) tell_of(log_, activity_);
    TRY(complete);
    report_.bytes_left = total - report_.bytes_read;
    report_.packs_left = packs_in(objects) - report_.packs_read;
    // All but packs come first.
    report_.structure_complete =
        report_.objects_verified - report_.packs_read == objects.size() - packs_in(objects);
    report_.packs = packs_in(all);
    report_.snapshots = static_cast<std::uint64_t>(
        std::ranges::count(all, ObjectKind::kSnapshot, &StoredObject::kind));
    TRY(finish(report_, *complete, log_, activity_));
    advise();
    return std::move(report_);
  }

 private:
  static std::uint64_t packs_in(const std::vector<StoredObject>& objects) {
    return static_cast<std::uint64_t>(std::ranges::count_if(objects, is_pack));
  }
  static std::unordered_set<repo::ObjectId> present_packs(const std::vector<StoredObject>& all) {
    std::unordered_set<repo::ObjectId> present;
    for (const StoredObject& object : all) {
      if (!is_pack(object)) continue;
      if (const auto id = repo::parse_object_name(object.kind, object.name)) present.insert(*id);
    }
    return present;
  }

  void advise() {
    const auto config = repo::get_object(store_, "config", repo::kPlainObjectMax);
    const auto decoded = config ? repo::decode_config(*config)
                                : Result<repo::Config>(std::unexpected(config.error().clone()));
    crypto::SystemRng rng;
    if (decoded) {
      check_stages::advise_parity(
          {.store = store_, .repository = decoded->id, .world = {.clock = clock_, .rng = rng}},
          report_.damages, activity_);
    }
  }

  Result<void> read_one(const StoredObject& object) {
    activity_.progress.set_current(object.name);
    const auto read = verify_stored(store_, object);
    activity_.progress.bytes_done += object.size_bytes;
    TRY(judge(read, object, log_));
    const MutexLock lock(mutex_);
    ++report_.objects_verified;
    report_.bytes_read += object.size_bytes;
    if (!is_pack(object)) return {};
    ++report_.packs_read;
    if (const auto id = repo::parse_object_name(object.kind, object.name))
      keeper_.add(*id, !read.has_value());
    return {};
  }

  backend::Backend& store_;
  const CheckOptions& options_;
  Activity& activity_;
  SystemClock clock_;
  DamageLog log_;
  Mutex mutex_;
  VerifiedKeeper keeper_;
  CheckReport report_;
};

}  // namespace

Result<CheckReport> check_names(backend::Backend& store, const CheckOptions& options,
                                Activity& activity) {
  const auto config = store.head("config");
  if (!config && config.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kNoRepository, "there is no repository at " + store.describe())
            .with_hint("Make one with 'backstay init', or check --repo."));
  }
  if (!config) return std::unexpected(config.error().clone());
  return NameCheck(store, options, activity).run();
}

}  // namespace backstay::engine
