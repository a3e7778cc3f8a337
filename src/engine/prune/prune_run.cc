#include "engine/prune/prune_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/try.h"
#include "engine/parity.h"
#include "engine/prune/mark.h"
#include "engine/store_lock.h"
#include "io/machine.h"
#include "repo/damage_mark.h"

namespace backstay::engine::prune_stages {

namespace {

constexpr int kRoundsMax = 6;
constexpr std::uint32_t kSmallShare = 4;  // of a full pack
constexpr std::uint32_t kMetaShare = 4;   // metadata packs are smaller from the start

bool only_reads(const repo::ListedLease& lease) {
  return lease.record.operation == "restore" || lease.record.operation == "check";
}

Error unreadable(Error error, const std::string& what) {
  return std::move(error)
      .with_context("finding out what " + what + " needs")
      .with_hint(
          "Nothing was freed, because what it refers to is not known. See what is damaged with "
          "'backstay check'; back up again, or forget the snapshot if it is of no use any more.");
}

}  // namespace

PruneRun::PruneRun(repo::Repository& repository, const PruneOptions& options, Activity& activity)
    : repository_(repository),
      store_(repository.store()),
      options_(options),
      activity_(activity),
      started_(repository.world().clock.monotonic()) {}

bool PruneRun::out_of_time() const {
  return options_.max_duration &&
         repository_.world().clock.monotonic() - started_ >= *options_.max_duration;
}

// ---- leases

Result<void> PruneRun::take_lease() {
  // It reads from packs that are condemned, to rescue what is needed of them.
  auto lease =
      repository_.take_lease(repo::lease_of_this_process("prune", io::hostname(), io::user_name()),
                             repo::LeaseUse::kReading);
  if (lease) {
    lease_ = std::move(*lease);
    return {};
  }
  // A full store must be able to give. Another collection may then remove what this one reads,
  // which ends the run, and nothing else.
  if (lease.error().code() != ErrorCode::kNoSpace) return std::unexpected(std::move(lease).error());
  activity_.note("there is no space for a lease: going on without one");
  return {};
}

// Before snapshots are listed: what an ended lease commits from here on does not count.
Result<void> PruneRun::end_dead_leases() {
  TRY(list_others());
  for (const repo::ListedLease& lease : others_) {
    if (lease.alive || lease.ended) continue;
    if (!TRY(repo::end_lease(store_, repository_.config().id, lease))) continue;
    ++report_.leases_ended;
    activity_.note(fmt::format(
        "the lease of a {} on {} is dead (last renewed {} minutes ago): ended",
        lease.record.operation, lease.record.host.empty() ? "an unknown host" : lease.record.host,
        lease.age_seconds / 60));
  }
  for (const repo::ListedLease& lease : others_) {
    if (!lease.ahead || !lease.alive) continue;
    activity_.note(fmt::format(
        "the lease of a {} on {} is dated ahead of the store's clock: when it is not renewed any "
        "more, a prune {} minutes after it was first noticed ends it",
        lease.record.operation, lease.record.host.empty() ? "an unknown host" : lease.record.host,
        repo::seconds_until_dead(lease.record) / 60));
  }
  auto sighted = repo::sight_leases(store_, repository_.config().id, others_);
  if (sighted || sighted.error().code() == ErrorCode::kCancelled) return sighted;
  activity_.note("which leases are dated ahead could not be noted: " + sighted.error().describe());
  return {};
}

// Of all others.
Result<std::vector<repo::ListedLease>> PruneRun::list_leases() {
  auto leases = TRY_DOING("listing leases", repo::list_leases(store_, repository_.config().id));
  if (lease_ != nullptr)
    std::erase_if(leases, [&](const auto& lease) { return lease.record.id == lease_->id(); });
  return leases;
}

// A dry run ends no lease: those that are dead it leaves out, because a prune would end them.
Result<void> PruneRun::list_others() {
  others_ = TRY(list_leases());
  if (options_.dry_run)
    std::erase_if(others_, [](const auto& lease) { return !lease.alive && !lease.ended; });
  return {};
}

// Only what a generation object says counts: until then whoever holds the lease may go on.
bool PruneRun::was_ended(const repo::ListedLease& lease) const {
  if (repository_.generations().empty()) return false;
  const auto& ended = repository_.generations().back().ended_leases;
  return std::ranges::find(ended, lease.record.id) != ended.end();
}

std::uint64_t PruneRun::oldest_lease() const {
  std::uint64_t oldest = kNoLease;
  for (const repo::ListedLease& lease : others_) {
    if (!was_ended(lease)) oldest = std::min(oldest, lease.record.generation);
  }
  return oldest;
}

bool PruneRun::others_are_at_work() const {
  return oldest_lease() != kNoLease;
}

// ---- step 2: what is there, in the order that makes deciding safe

Result<std::set<snapshot::SnapshotId>> PruneRun::list_twice() {
  std::set<snapshot::SnapshotId> ids;
  for (int time = 0; time < 2; ++time) {
    for (const auto& id : TRY_DOING("listing snapshots", repository_.list_snapshots())) {
      ids.insert(id);
    }
  }
  return ids;
}

Result<void> PruneRun::observe() {
  TRY(repository_.refresh_generations());
  table_ = TRY(repo::PackTable::list(store_, repository_.generations()));
  TRY(list_others());
  seen_ = TRY(list_twice());
  TRY(load_index());
  TRY(table_.take_in(store_, repository_.index()));
  leave_young_packs();
  return read_snapshots();
}

Result<void> PruneRun::load_index() {
  std::optional<Error> damaged;
  const auto note_damage = [&](const repo::ObjectId& id, const Error& error) {
    if (!damaged) damaged = error.clone().with_context("reading index run " + id.short_hex());
  };
  auto loaded = repository_.load_settled_index(note_damage);
  if (damaged) {
    return std::unexpected(std::move(*damaged).with_hint(
        "Nothing was freed. The next backup replaces a damaged index run from the packs "
        "themselves; run prune after it."));
  }
  if (loaded) return {};
  return std::unexpected(
      std::move(loaded).error().with_context("loading the index, before anything was freed"));
}

Result<void> PruneRun::read_snapshots() {
  roots_.clear();
  uncounted_.clear();
  for (const snapshot::SnapshotId& id : seen_) {
    if (options_.dry_run && options_.without.contains(id)) continue;
    auto snapshot = repository_.read_snapshot(id);
    if (!snapshot && snapshot.error().code() == ErrorCode::kNotFound) continue;  // forgotten
    if (!snapshot) {
      return std::unexpected(unreadable(std::move(snapshot).error(), "snapshot " + id.short_hex()));
    }
    std::vector<Root>& roots = repository_.counts(id, *snapshot) ? roots_ : uncounted_;
    roots.push_back({.id = id, .tree = snapshot->tree, .lease = snapshot->lease});
  }
  report_.snapshots = roots_.size();
  return {};
}

// Most of what is younger than a running writer is that writer's. This saves work; that nothing is
// lost does not depend on it.
void PruneRun::leave_young_packs() {
  std::optional<Timestamp> begin;
  for (const repo::ListedLease& lease : others_) {
    if (lease.alive && !only_reads(lease) && (!begin || lease.taken < *begin)) begin = lease.taken;
  }
  for (repo::PackUse& use : table_.packs()) {
    use.young = use.young || (begin && *begin <= use.modified);
  }
}

Result<void> PruneRun::mark() {
  liveness_ = std::make_unique<repo::Liveness>(repository_.index().runs(), table_);
  Marker marker(repository_, *liveness_, activity_.stop);
  for (const Root& root : roots_) {
    activity_.progress.set_current("snapshot " + root.id.short_hex());
    auto marked = marker.mark(root.tree);
    if (marked) continue;
    if (marked.error().code() == ErrorCode::kCancelled) return marked;
    return std::unexpected(
        unreadable(std::move(marked).error(), "snapshot " + root.id.short_hex()));
  }
  report_.chunks_missing = liveness_->mark_rest();
  liveness_->forget_pages();
  return {};
}

Result<void> PruneRun::plan() {
  const repo::Config& config = repository_.config();
  repo::PruneLimits limits{.unused_share_max = options_.unused_share_max,
                           .repack_bytes_max = options_.repack_bytes_max};
  if (options_.repack_small) {
    limits.small_data_bytes = config.pack_bytes / kSmallShare;
    limits.small_meta_bytes = config.pack_bytes / kMetaShare / kSmallShare;
  }
  // A chunk that is missed may be in a pack that no run names.
  const auto strays = report_.chunks_missing == 0 ? repo::Strays::kMayGo : repo::Strays::kStay;
  plan_ = repo::plan_prune(table_, limits, strays);
  return leave_locked_packs();
}

// ---- steps 3 to 5

bool PruneRun::is_unneeded(std::uint32_t number) const {
  return table_.packs()[number].places_needed == 0 || copied_.contains(number);
}

// What counts is what was listed after the leases were.
repo::Generation PruneRun::next_generation() const {
  repo::EndedLeases seen;
  for (const repo::ListedLease& lease : others_) {
    if (lease.ended) seen.ended.push_back(lease.record.id);
  }
  for (const Root& root : roots_) {
    if (root.lease)
      seen.committed.emplace_back(repo::ObjectId{root.id.bytes}, repo::LeaseId{root.lease->bytes});
  }
  for (const Root& root : uncounted_) seen.uncounted.insert(repo::LeaseId{root.lease->bytes});
  return repo::next_generation(repository_.generations(), seen, repository_.world().clock.now());
}

// What these packs hold and is needed, but is relied on elsewhere, is looked at there first.
Result<PruneRun::Round> PruneRun::verify_elsewhere(const std::vector<std::uint32_t>& packs,
                                                   ReliedPlaces::Depth depth) {
  ReliedPlaces places(repository_, table_, activity_, depth);
  TRY(liveness_->for_each_elsewhere(
      {packs.begin(), packs.end()},
      [&](const repo::IdPrefix& id, const repo::ChunkLocation& at) { return places.add(id, at); }));
  const bool all_true = TRY(places.finish());
  report_.bytes_read += places.bytes_read();
  if (!all_true) return Round::kAgain;
  verified_.insert(packs.begin(), packs.end());
  return Round::kDone;
}

// Takes the next generation, or several, for these packs and for leases that were ended.
Result<PruneRun::Round> PruneRun::condemn(const std::vector<std::uint32_t>& packs) {
  std::size_t done = 0;
  do {
    repo::Generation next = next_generation();
    const std::size_t count = std::min(repo::kCondemnedMax, packs.size() - done);
    for (std::size_t i = 0; i < count; ++i) {
      next.condemned.push_back(table_.packs()[packs[done + i]].pack.id);
    }
    auto taken =
        repo::create_generation(store_, next, repository_.config().id, repository_.keyring());
    while (!taken && taken.error().code() == ErrorCode::kNoSpace && next.condemned.size() > 1) {
      next.condemned.resize(next.condemned.size() / 2);
      taken = repo::create_generation(store_, next, repository_.config().id, repository_.keyring());
    }
    if (!taken && taken.error().code() == ErrorCode::kAlreadyExists) return Round::kAgain;
    TRY_DOING("condemning packs", std::move(taken));
    TRY_DOING("condemning packs", store_.barrier());
    TRY(repository_.refresh_generations());
    for (std::size_t i = 0; i < next.condemned.size(); ++i) {
      table_.packs()[packs[done + i]].condemned_in = next.number;
    }
    done += next.condemned.size();
    // Another collection may have taken a number meanwhile, and planned with ours.
    if (repository_.generation() != next.number) return Round::kAgain;
  } while (done < packs.size());
  condemned_any_ = true;
  return Round::kDone;
}

// With leases and snapshots as they are now. What came since was not followed: then all begins
// again.
Result<PruneRun::Round> PruneRun::free_after_condemning() {
  TRY(list_others());
  for (const snapshot::SnapshotId& id : TRY(list_twice())) {
    if (!seen_.contains(id)) return Round::kAgain;
  }
  return free();
}

// False when the time is over.
Result<bool> PruneRun::copy_one(Repacker& repacker, std::uint32_t number, Copied& copied) {
  if (activity_.stop.stop_requested()) {
    (void)repacker.finish();  // what was copied is found by the next run
    return fail(ErrorCode::kCancelled, "interrupted");
  }
  const repo::PackUse& use = table_.packs()[number];
  const std::string name = repo::object_name(repo::object_kind(use.pack.kind), use.pack.id);
  activity_.progress.set_current(name);
  auto done = repacker.copy(number, use);
  activity_.progress.bytes_done += use.pack.size_bytes;
  if (done) return true;
  const ErrorCode code = done.error().code();
  const bool of_the_pack = repo::is_damage_or_loss(code);
  if (repacker.broken() || !of_the_pack) return std::unexpected(std::move(done).error());
  if (code == ErrorCode::kNotFound) {
    copied = Copied::kGone;
    return true;
  }
  if (copied == Copied::kAll) copied = Copied::kSome;
  ++report_.packs_damaged;
  activity_.report(name, done.error().clone().with_hint(
                             "The pack is kept as it is. 'backstay check --read-data' says which "
                             "files it touches."));
  return false;
}

// What could not be copied is not in copied_ afterwards.
Result<PruneRun::Copied> PruneRun::copy(const std::vector<std::uint32_t>& packs) {
  Copied copied = Copied::kAll;
  if (packs.empty()) return copied;
  for (const std::uint32_t number : packs)
    activity_.progress.bytes_total += table_.packs()[number].pack.size_bytes;
  Repacker repacker(repository_, *liveness_, options_.uploads, options_.threads);
  std::vector<std::uint32_t> whole;
  for (const std::uint32_t number : packs) {
    if (out_of_time()) {
      report_.stopped_by_time = true;
      break;
    }
    if (TRY(copy_one(repacker, number, copied)) && copied != Copied::kGone) whole.push_back(number);
  }
  TRY_DOING("storing again what is needed of packs", repacker.finish());
  copied_.insert(whole.begin(), whole.end());
  report_.bytes_read += repacker.bytes_read();
  report_.bytes_written += repacker.bytes_stored();
  report_.packs_repacked += whole.size();
  if (whole.size() < packs.size() && copied == Copied::kAll) copied = Copied::kSome;
  return copied;
}

// Packs without use first: that gives room for what is copied.
Result<PruneRun::Round> PruneRun::empty_packs() {
  const bool to_end = std::ranges::any_of(
      others_, [&](const auto& lease) { return lease.ended && !was_ended(lease); });
  if (!plan_.drop.empty() || to_end) {
    if (TRY(verify_elsewhere(plan_.drop, ReliedPlaces::Depth::kBytes)) == Round::kAgain)
      return Round::kAgain;
    if (TRY(condemn(plan_.drop)) == Round::kAgain) return Round::kAgain;
    report_.packs_dropped += plan_.drop.size();
    if (TRY(free_after_condemning()) == Round::kAgain) return Round::kAgain;
  }
  if (plan_.repack.empty()) return Round::kDone;
  if (TRY(copy(plan_.repack)) == Copied::kGone) return Round::kAgain;
  std::vector<std::uint32_t> emptied = plan_.repack;
  std::erase_if(emptied, [&](std::uint32_t number) { return !copied_.contains(number); });
  if (emptied.empty()) return Round::kDone;
  if (TRY(verify_elsewhere(emptied, ReliedPlaces::Depth::kBytes)) == Round::kAgain)
    return Round::kAgain;
  if (TRY(condemn(emptied)) == Round::kAgain) return Round::kAgain;
  emptied_ = true;
  return free_after_condemning();
}

// What is missed may have been moved by another collection, which did not wait for this one: when
// its lease was ended, or when it has none.
Result<bool> PruneRun::missed_because_late() {
  if (report_.chunks_missing == 0) return false;
  if (lease_ == nullptr) return !std::exchange(looked_again_, true);
  TRY(lease_->ask());
  return false;
}

Result<PruneRun::Round> PruneRun::round() {
  copied_.clear();
  locked_.clear();
  store_time_.reset();
  report_.packs_locked = report_.bytes_locked = 0;
  report_.locked_until.reset();
  verified_.clear();
  condemned_any_ = false;
  // Of many stores as one, some may have come back meanwhile.
  if (!options_.dry_run) TRY(require_removals(repository_, "prune"));
  TRY(observe());
  TRY(mark());
  if (TRY(missed_because_late())) return Round::kAgain;
  TRY(plan());
  TRY(report_plan());
  if (options_.dry_run) return Round::kDone;

  // Nothing is removed while something is needed that only condemned packs have.
  if (TRY(copy(plan_.rescue)) == Copied::kGone) return Round::kAgain;
  if (TRY(free()) == Round::kAgain) return Round::kAgain;
  if (emptied_) return Round::kDone;
  return empty_packs();
}

// ---- step 6

// A generation object goes when its packs were gone before leases were listed last, and are not in
// the index now: a writer of that time may have merged old runs meanwhile.
Result<void> PruneRun::tidy_generations() {
  const std::uint64_t oldest = oldest_lease();
  const bool nobody = !others_are_at_work();
  const std::uint64_t highest = repository_.generation();
  if (!nobody && (!condemned_any_ || oldest < highest)) return {};
  std::unordered_set<repo::ObjectId> indexed;
  for (const auto& packs : {repository_.index().packs(), repository_.index().condemned_packs()}) {
    for (const auto& pack : packs) indexed.insert(pack.id);
  }
  const auto is_indexed = [&](const repo::ObjectId& pack) { return indexed.contains(pack); };
  for (const repo::Generation& generation : repository_.generations()) {
    const bool spent = std::ranges::binary_search(table_.spent_generations(), generation.number) &&
                       std::ranges::none_of(generation.condemned, is_indexed);
    if (spent && generation.number < highest)
      TRY(repo::remove_generation(store_, generation.number));
  }
  return {};
}

// Of packs that are gone: who removed them was killed before, or a check marked one that was going.
Result<void> PruneRun::remove_stale_marks() {
  for (const repo::ObjectId& pack : table_.marks_without_pack()) {
    bool there = false;
    for (const auto kind : {repo::PackKind::kData, repo::PackKind::kMeta}) {
      const auto head = store_.head(repo::object_name(repo::object_kind(kind), pack));
      if (!head && head.error().code() != ErrorCode::kNotFound)
        return std::unexpected(head.error().clone());
      there = there || head;
    }
    if (!there) TRY(repo::remove_mark(store_, pack));
  }
  return {};
}

Result<void> PruneRun::tidy() {
  TRY(repository_.load_index([](const repo::ObjectId&, const Error&) {}));
  std::unordered_set<repo::ObjectId> gone;
  for (std::uint32_t number = 0; number < table_.packs().size(); ++number) {
    const repo::PackUse& use = table_.packs()[number];
    // A condemned pack that is gone comes never back, needed or not.
    if (!use.stored && (use.condemned_in != 0 || is_unneeded(number))) gone.insert(use.pack.id);
  }
  if (!gone.empty()) {
    const auto written = repository_.index().drop_packs(gone);
    if (!written && written.error().code() != ErrorCode::kNoSpace)
      return std::unexpected(written.error().clone());
    if (!written) activity_.note("there is no space to write the index anew: the next prune does");
    report_.bytes_written += written.value_or(0);
  }
  if (const auto written = repository_.index().tidy(); written)
    report_.bytes_written += *written;
  else if (written.error().code() != ErrorCode::kNoSpace)
    return std::unexpected(written.error().clone());
  TRY(remove_stale_marks());
  for (const Root& root : uncounted_) {
    TRY(store_.remove(
        repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{root.id.bytes})));
  }
  for (const repo::ListedLease& lease : others_) {
    if (was_ended(lease)) TRY(repo::remove_ended_lease(store_, lease));
  }
  TRY(tidy_generations());
  return store_.barrier();
}

// ---- the report

Result<void> PruneRun::report_plan() {
  report_.packs = report_.chunks = report_.packs_damaged = 0;
  for (const auto& run : repository_.index().runs()) report_.chunks += run->size();
  report_.bytes_packs = 0;
  for (const repo::PackUse& use : table_.packs()) {
    if (!use.stored) continue;
    ++report_.packs;
    report_.bytes_packs += use.pack.size_bytes;
  }
  report_.bytes_needed = plan_.needed_bytes;
  report_.bytes_unused = plan_.unused_bytes;
  if (planned_) return {};
  report_.planned = TRY(cost());
  planned_ = true;
  if (options_.dry_run)
    report_dry_run();
  else
    announce(report_.planned);
  return {};
}

void PruneRun::report_dry_run() {
  const PruneCost& cost = report_.planned;
  report_.packs_dropped = cost.packs_dropped;
  report_.packs_repacked = cost.packs_repacked;
  report_.bytes_read = cost.bytes_read;
  report_.bytes_written = cost.bytes_written;
  report_.bytes_freed = cost.bytes_freed;
  report_.parity = cost.parity;
}

void PruneRun::report_end() {
  report_.packs_waiting = 0;
  report_.bytes_waiting = 0;
  report_.packs_kept = 0;
  report_.bytes_kept = 0;
  std::uint64_t latest = 0;
  for (std::uint32_t number = 0; number < table_.packs().size(); ++number) {
    const repo::PackUse& use = table_.packs()[number];
    if (use.condemned_in == 0 || !use.stored || locked_.contains(number)) continue;
    if (options_.dry_run && would_go(number)) continue;
    ++report_.packs_waiting;
    report_.bytes_waiting += use.pack.size_bytes;
    if (!is_unneeded(number) || may_hold_missing(use)) {
      ++report_.packs_kept;
      report_.bytes_kept += use.pack.size_bytes;
    }
    latest = std::max(latest, use.condemned_in);
  }
  const std::size_t planned = plan_.drop.size() + plan_.repack.size();
  if (options_.dry_run && planned > 0 && oldest_lease_that_stands() != kNoLease) {
    report_.packs_waiting += planned;
    report_.bytes_waiting += bytes_given_up();
    latest = repository_.generation() + 1;
  }
  for (const repo::ListedLease& lease : others_) {
    if (options_.dry_run && lease.ended) continue;
    if (!was_ended(lease) && lease.record.generation < latest) report_.waiting_for.push_back(lease);
  }
}

Result<PruneReport> PruneRun::run() {
  if (!options_.dry_run) {
    TRY(require_removals(repository_, "prune"));
    TRY(take_lease());
    TRY(end_dead_leases());
    TRY(finish_replacements(parity_place(repository_), activity_));
  }
  Round last = Round::kAgain;
  for (int times = 0; times < kRoundsMax && last == Round::kAgain; ++times) {
    if (lease_ != nullptr) TRY(lease_->verify());
    last = TRY(round());
  }
  if (!options_.dry_run) TRY(tidy());
  report_end();
  if (lease_ != nullptr) TRY(lease_->release());
  if (last == Round::kAgain) {
    activity_.note("others changed the repository all the time: what is left is for the next run");
  }
  return std::move(report_);
}

}  // namespace backstay::engine::prune_stages
