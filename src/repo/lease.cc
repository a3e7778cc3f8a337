#include "repo/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "base/record.h"
#include "base/try.h"
#include "io/machine.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

constexpr std::string_view kLeasePrefix = "leases/";
// A lease counts as dead after this many missed renewals (docs/format.md section 8.3).
constexpr std::uint64_t kRenewalsMissed = 3;
constexpr std::uint64_t kRenewSecondsMax = 24 * 60 * 60;
constexpr std::uint64_t kLeaseNanosMax = 999'999'999;
constexpr int kListingTriesMax = 5;
constexpr int kRenewalTriesMax = 5;
constexpr std::uint64_t kFirstSequence = 0;

using snapshot::FieldSet;
constexpr snapshot::RecordShape kLeaseShape{
    .name = "lease", .last = 10, .bytes = FieldSet(1, 3, 5, 6), .repeated = {}};
constexpr FieldSet kLeaseRequired(1, 2, 4, 10);

std::string lease_name(const LeaseId& id, std::uint64_t sequence) {
  return fmt::format("{}{}-{:010}", kLeasePrefix, id.hex(), sequence);
}

// Stands beside the objects of a lease that somebody else ended.
std::string end_name(const LeaseId& id) {
  return fmt::format("{}{}-ended", kLeasePrefix, id.hex());
}

// Says of a lease that is dated ahead that its newest object was this one, at the time that the
// store gave this name. It does not begin with the id: who looks for leases by their names does not
// take it for one.
constexpr std::string_view kSightingPrefix = "seen-";
std::string sighting_name(const LeaseId& id, std::uint64_t sequence) {
  return fmt::format("{}{}{}-{:010}", kLeasePrefix, kSightingPrefix, id.hex(), sequence);
}

struct LeaseName {
  LeaseId id;
  std::optional<std::uint64_t> sequence;  // nothing: it ends the lease
  bool sighting = false;
};
std::optional<LeaseName> parse_lease_name(std::string_view name) {
  constexpr std::size_t kHexDigits = 32;
  if (!name.starts_with(kLeasePrefix)) return std::nullopt;
  std::string_view own = name.substr(kLeasePrefix.size());
  const bool sighting = own.starts_with(kSightingPrefix);
  if (sighting) own.remove_prefix(kSightingPrefix.size());
  const auto id = LeaseId::from_hex(own.substr(0, kHexDigits));
  if (!id) return std::nullopt;
  if (name == end_name(*id)) return LeaseName{.id = *id, .sequence = {}};
  if (own.size() <= kHexDigits) return std::nullopt;
  std::uint64_t sequence = 0;
  const char* const last = own.data() + own.size();
  const auto [end, error] = std::from_chars(own.data() + kHexDigits + 1, last, sequence);
  if (error != std::errc{}) return std::nullopt;
  if (name != (sighting ? sighting_name(*id, sequence) : lease_name(*id, sequence)))
    return std::nullopt;
  return LeaseName{.id = *id, .sequence = sequence, .sighting = sighting};
}

// Counts through suspension, unlike CLOCK_MONOTONIC: a laptop that slept has missed its renewals.
std::int64_t seconds_since_boot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec;
}

}  // namespace

std::int64_t seconds_until_dead(const LeaseRecord& lease) {
  return static_cast<std::int64_t>(kRenewalsMissed * lease.renew_seconds);
}

LeaseRecord lease_of_this_process(std::string_view operation, std::string host, std::string user) {
  LeaseRecord record;
  record.operation = operation;
  record.host = std::move(host);
  record.user = std::move(user);
  record.process = io::process_id();
  return record;
}

Bytes encode_lease(const LeaseRecord& lease, const RepositoryId& repository) {
  Bytes record;
  RecordWriter out(record);
  out.bytes(1, lease.id.view());
  out.number(2, lease.sequence);
  out.text(3, lease.operation);
  out.number(4, lease.generation);
  out.text(5, lease.host);
  out.text(6, lease.user);
  out.number(7, lease.process);
  out.signed_number(8, lease.started.seconds);
  out.number(9, lease.started.nanos);
  out.number(10, lease.renew_seconds);
  return encode_plain_object(ObjectKind::kLease, repository, record);
}

Result<LeaseRecord> decode_lease(ByteView stored, const RepositoryId& repository) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kLease, stored));
  if (object.header.repository != repository) {
    return fail(ErrorCode::kCorruption, "the lease belongs to another repository");
  }
  LeaseRecord lease;
  snapshot::FieldScan scan(object.record, kLeaseShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1: {
        const auto id = LeaseId::from_bytes(field.value_bytes);
        if (!id) return fail(ErrorCode::kCorruption, "the lease's id has a wrong length");
        lease.id = *id;
        break;
      }
      case 2:
        lease.sequence = field.value_number;
        break;
      case 3:
        lease.operation = as_text(field.value_bytes);
        break;
      case 4:
        lease.generation = field.value_number;
        break;
      case 5:
        lease.host = as_text(field.value_bytes);
        break;
      case 6:
        lease.user = as_text(field.value_bytes);
        break;
      case 7:
        lease.process = field.value_number;
        break;
      case 8:
        lease.started.seconds = unzigzag(field.value_number);
        break;
      case 9:
        if (field.value_number > kLeaseNanosMax) {
          return fail(ErrorCode::kCorruption, "the lease's time is absurd");
        }
        lease.started.nanos = static_cast<std::uint32_t>(field.value_number);
        break;
      case 10:
        lease.renew_seconds = std::min(field.value_number, kRenewSecondsMax);
        break;
      default:
        break;
    }
  }
  if (!scan.seen().has_all(kLeaseRequired)) {
    return fail(ErrorCode::kCorruption, "the lease is incomplete");
  }
  return lease;
}

struct Lease::State {
  backend::Backend& store;
  RepositoryId repository;
  LeaseRecord record;  // the sequence number is that of the last object known to be stored
  Mutex mutex;
  std::int64_t renewed_at GUARDED_BY(mutex) = 0;
  bool lost GUARDED_BY(mutex) = false;
  // Numbers of objects after the first, ascending. For the renewer, and whoever comes after it.
  std::vector<std::uint64_t> renewals;
  bool attempted = false;  // the next number may be stored, too: its answer was lost
  bool released = false;
  std::jthread renewer;

  Result<void> renew();
  Result<void> ask() const;
  Result<void> remove_renewals(std::size_t kept);
  std::unexpected<Error> note_lost() EXCLUDES(mutex);
  Result<void> noted(Result<void> answer) EXCLUDES(mutex);
  bool is_lost() EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    return lost;
  }

  void keep_renewing(const std::stop_token& stop) {
    std::mutex sleep_mutex;
    std::condition_variable_any sleep;
    std::unique_lock lock(sleep_mutex);
    while (!stop.stop_requested()) {
      sleep.wait_for(lock, stop, std::chrono::seconds(record.renew_seconds), [] { return false; });
      if (stop.stop_requested()) return;
      const auto renewed = renew();
      if (!renewed && renewed.error().code() == ErrorCode::kConflict) return;
    }
  }
};

static std::unexpected<Error> was_ended() {
  return std::unexpected(
      Error(ErrorCode::kConflict,
            "the lease was taken for dead and ended by somebody else, because it was not renewed "
            "in time")
          .with_hint("Run the command again: what was stored is found and reused."));
}

std::unexpected<Error> Lease::State::note_lost() {
  const MutexLock lock(mutex);
  lost = true;
  return was_ended();
}

Result<void> Lease::State::noted(Result<void> answer) {
  if (!answer && answer.error().code() == ErrorCode::kConflict) return note_lost();
  return answer;
}

// First that nothing ended it, then that its first object is there: whoever ended it removes that
// before what ended it, so that in the other order both could be gone between the two looks.
Result<void> Lease::State::ask() const {
  const auto end = store.head(end_name(record.id));
  if (end) return was_ended();
  if (end.error().code() != ErrorCode::kNotFound) return std::unexpected(end.error().clone());
  const auto own = store.head(lease_name(record.id, kFirstSequence));
  if (own) return {};
  if (own.error().code() == ErrorCode::kNotFound) return was_ended();
  return std::unexpected(own.error().clone());
}

Result<void> Lease::State::remove_renewals(std::size_t kept) {
  while (renewals.size() > kept) {
    TRY(store.remove(lease_name(record.id, renewals.front())));
    renewals.erase(renewals.begin());
  }
  return {};
}

Result<void> Lease::State::renew() {
  for (int attempt = 0; attempt < kRenewalTriesMax; ++attempt) {
    const std::int64_t now = seconds_since_boot();
    LeaseRecord next = record;
    ++next.sequence;
    const auto put = store.put(lease_name(next.id, next.sequence), encode_lease(next, repository));
    attempted = true;
    if (!put && put.error().code() != ErrorCode::kAlreadyExists) {
      return std::unexpected(put.error().clone());
    }
    record.sequence = next.sequence;
    renewals.push_back(next.sequence);
    attempted = false;
    if (!put) continue;  // its own, from a call that was not answered: it says nothing about now
    TRY(noted(ask()));
    {
      const MutexLock lock(mutex);
      renewed_at = now;
    }
    // The newest two stay, so that a listing meanwhile sees one; what cannot go now goes later.
    (void)remove_renewals(2);
    return {};
  }
  return fail(ErrorCode::kUnavailable, "the lease could not be renewed");
}

static Error no_lease(Error error) {
  const bool forbidden = error.code() == ErrorCode::kPermissionDenied;
  Error told = std::move(error).with_context("taking a lease");
  if (!forbidden) return told;
  return std::move(told).with_hint(
      "This writes to the repository: check that its disk is not mounted read-only, and run as the "
      "user that the repository belongs to.");
}

Lease::Lease(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Lease>> Lease::acquire(backend::Backend& store,
                                              const RepositoryId& repository, LeaseRecord record,
                                              Rng& rng, Renewal renewal) {
  rng.fill(record.id.bytes);
  record.renew_seconds = std::clamp<std::uint64_t>(record.renew_seconds, 1, kRenewSecondsMax);
  record.sequence = kFirstSequence;
  const std::int64_t now = seconds_since_boot();
  const Bytes object = encode_lease(record, repository);
  auto put = store.put(lease_name(record.id, record.sequence), object);
  if (!put) return std::unexpected(no_lease(std::move(put).error()));
  std::unique_ptr<State> state(new State{.store = store,
                                         .repository = repository,
                                         .record = std::move(record),
                                         .mutex = {},
                                         .renewed_at = now,
                                         .renewals = {},
                                         .renewer = {}});
  if (renewal == Renewal::kByThread) {
    State* shared = state.get();
    state->renewer =
        std::jthread([shared](const std::stop_token& stop) { shared->keep_renewing(stop); });
  }
  return std::unique_ptr<Lease>(new Lease(std::move(state)));
}

Result<void> Lease::verify() const {
  {
    const MutexLock lock(state_->mutex);
    const std::int64_t unseen = seconds_since_boot() - state_->renewed_at;
    if (!state_->lost &&
        unseen <= static_cast<std::int64_t>(kRenewalsMissed * state_->record.renew_seconds))
      return {};
    if (!state_->lost) {
      return std::unexpected(
          Error(ErrorCode::kConflict,
                fmt::format("the lease could not be renewed for {} seconds", unseen))
              .with_hint("Run the command again: what was stored is found and reused."));
    }
  }
  return state_->note_lost();
}

Result<void> Lease::renew() {
  return state_->renew();
}

Result<void> Lease::ask() const {
  return state_->is_lost() ? state_->note_lost() : state_->noted(state_->ask());
}

static void end_thread(std::jthread& thread) {
  thread.request_stop();
  if (thread.joinable()) thread.join();
}

Result<void> Lease::confirm() {
  end_thread(state_->renewer);
  return ask();
}

void Lease::abandon() {
  end_thread(state_->renewer);
  state_->released = true;
}

Result<void> Lease::release() {
  if (state_->released) return {};
  state_->released = true;
  end_thread(state_->renewer);
  if (state_->attempted) state_->renewals.push_back(state_->record.sequence + 1);
  TRY(state_->remove_renewals(0));
  return state_->store.remove(lease_name(state_->record.id, kFirstSequence));
}

Lease::~Lease() {
  (void)release();
}

const LeaseId& Lease::id() const {
  return state_->record.id;
}

namespace {

// Of every lease the object with the highest number counts.
struct LeaseObjects {
  std::optional<backend::ObjectInfo> newest;
  Timestamp first;  // when the object of the lowest number came
  std::vector<std::uint64_t> numbers;
  std::optional<backend::ObjectInfo> end;
  std::map<std::uint64_t, Timestamp> sightings;

  // Else there are only sightings, which are left over.
  [[nodiscard]] bool stands() const { return newest || end; }
  // What says most about it.
  [[nodiscard]] const backend::ObjectInfo& told_by() const { return newest ? *newest : *end; }
};
using LeasesById = std::map<LeaseId, LeaseObjects>;

}  // namespace

static Result<LeasesById> list_lease_objects(backend::Backend& store) {
  LeasesById leases;
  TRY(store.list(kLeasePrefix, [&](const backend::ObjectInfo& info) -> Result<void> {
    const auto name = parse_lease_name(info.name);
    if (!name) return {};
    LeaseObjects& lease = leases[name->id];
    if (!name->sequence) {
      lease.end = info;
      return {};
    }
    if (name->sighting) {
      lease.sightings.emplace(*name->sequence, info.modified);
      return {};
    }
    if (lease.numbers.empty() || *name->sequence > lease.numbers.back()) lease.newest = info;
    if (lease.numbers.empty() || *name->sequence < lease.numbers.front())
      lease.first = info.modified;
    lease.numbers.insert(std::ranges::upper_bound(lease.numbers, *name->sequence), *name->sequence);
    return {};
  }));
  return leases;
}

// A lease that cannot be read protects everything that there was when it was taken, as long as it
// may be alive: a collection waits rather than guesses.
static LeaseRecord unreadable_lease(const LeaseId& id, std::uint64_t sequence) {
  LeaseRecord record;
  record.id = id;
  record.sequence = sequence;
  record.operation = "(damaged)";
  record.generation = 0;
  return record;
}

// So much that no renewal explains it: the store's clock was ahead, and was set back.
static bool is_ahead(Timestamp written, Timestamp now, std::uint64_t renew_seconds) {
  return written.seconds - now.seconds > static_cast<std::int64_t>(renew_seconds);
}

// Since when the lease is known not to have been renewed.
static std::optional<Timestamp> unrenewed_since(const ListedLease& lease,
                                                const LeaseObjects& objects, Timestamp now) {
  if (!lease.ahead) return lease.renewed;
  const auto sighting = objects.sightings.find(lease.record.sequence);
  if (sighting == objects.sightings.end() || now < sighting->second) return std::nullopt;
  return sighting->second;
}

// Without a time, because the store could not say, all of them live.
static ListedLease judged(const LeaseId& id, const LeaseObjects& objects,
                          Result<LeaseRecord> record, std::optional<Timestamp> now) {
  const bool named = record && record->id == id &&
                     (objects.numbers.empty() || record->sequence == objects.numbers.back());
  const std::uint64_t number = objects.numbers.empty() ? 0 : objects.numbers.back();
  ListedLease lease{.record = named ? *std::move(record) : unreadable_lease(id, number),
                    .ended = objects.end.has_value(),
                    .renewed = objects.told_by().modified,
                    .taken = objects.first,
                    .numbers = objects.numbers};
  lease.ahead = now && is_ahead(lease.renewed, *now, lease.record.renew_seconds);
  const auto since = now ? unrenewed_since(lease, objects, *now) : std::nullopt;
  if (since && *since < *now) lease.age_seconds = now->seconds - since->seconds;
  lease.alive = !lease.ended && lease.age_seconds <= seconds_until_dead(lease.record);
  return lease;
}

// Without its first object a lease does not stand, whatever a list still has of it.
static Result<bool> is_over(backend::Backend& store, const LeaseId& id) {
  const auto first = store.head(lease_name(id, kFirstSequence));
  if (first) return false;
  if (first.error().code() == ErrorCode::kNotFound) return true;
  return std::unexpected(first.error().clone());
}

// A full store may not be able to say.
static Result<std::optional<Timestamp>> time_if_there_is_space(backend::Backend& store) {
  const auto asked = store.store_time();
  if (asked) return *asked;
  if (asked.error().code() == ErrorCode::kNoSpace) return std::nullopt;
  return std::unexpected(asked.error().clone());
}

Result<std::vector<ListedLease>> list_leases(backend::Backend& store,
                                             const RepositoryId& repository) {
  const bool lists_at_once = store.capabilities().lists_at_once;
  for (int attempt = 1; attempt <= kListingTriesMax; ++attempt) {
    const LeasesById found = TRY(list_lease_objects(store));
    const auto now = TRY(time_if_there_is_space(store));
    std::vector<ListedLease> leases;
    bool vanished = false;
    for (const auto& [id, objects] : found) {
      if (!objects.stands()) continue;
      const auto stored = get_object(store, objects.told_by().name, kPlainObjectMax);
      // Released meanwhile, or renewed, and then it stands under another name.
      const bool gone = !stored && stored.error().code() == ErrorCode::kNotFound;
      if (gone && !lists_at_once && TRY(is_over(store, id))) continue;
      vanished = gone;
      if (vanished) break;
      if (!stored && !is_damage(stored.error().code())) {
        return std::unexpected(stored.error().clone().with_context("reading a lease"));
      }
      leases.push_back(judged(
          id, objects, decode_lease(stored ? ByteView(*stored) : ByteView(), repository), now));
    }
    if (!vanished) return leases;
  }
  return fail(ErrorCode::kUnavailable, "leases come and go faster than they can be read");
}

Result<bool> end_lease(backend::Backend& store, const RepositoryId& repository,
                       const ListedLease& lease) {
  if (lease.ended) return true;
  // A courtesy to an owner that lives: that nothing is lost does not depend on it.
  const LeasesById again = TRY(list_lease_objects(store));
  const auto found = again.find(lease.record.id);
  if (found == again.end() || !found->second.stands() || found->second.numbers != lease.numbers)
    return false;
  const auto put = store.put(end_name(lease.record.id), encode_lease(lease.record, repository));
  if (!put && put.error().code() != ErrorCode::kAlreadyExists)
    return std::unexpected(put.error().clone().with_context("ending a dead lease"));
  if (!put) TRY(store.adopt(end_name(lease.record.id)));
  TRY(store.barrier());
  return true;
}

// The name of what says so of this lease, once it is there.
static Result<std::string> sight_lease(backend::Backend& store, const RepositoryId& repository,
                                       const ListedLease& lease, const LeaseObjects& objects) {
  const std::uint64_t number = lease.numbers.back();
  std::string name = sighting_name(lease.record.id, number);
  const auto sighting = objects.sightings.find(number);
  if (sighting != objects.sightings.end()) {
    if (sighting->second <= TRY(store.store_time())) return name;
    // The clock was set back once more.
    TRY(store.remove(name));
  }
  const auto put = store.put(name, encode_lease(lease.record, repository));
  if (!put && put.error().code() != ErrorCode::kAlreadyExists)
    return std::unexpected(put.error().clone().with_context("noting a lease"));
  return name;
}

Result<void> sight_leases(backend::Backend& store, const RepositoryId& repository,
                          const std::vector<ListedLease>& leases) {
  const LeasesById found = TRY(list_lease_objects(store));
  std::set<std::string> useful;
  for (const ListedLease& lease : leases) {
    if (!lease.ahead || !lease.alive || lease.numbers.empty()) continue;
    const auto objects = found.find(lease.record.id);
    if (objects == found.end() || objects->second.numbers != lease.numbers) continue;
    useful.insert(TRY(sight_lease(store, repository, lease, objects->second)));
  }
  for (const auto& [id, objects] : found) {
    for (const auto& [number, written] : objects.sightings) {
      const std::string name = sighting_name(id, number);
      if (!useful.contains(name)) TRY(store.remove(name));
    }
  }
  return {};
}

Result<void> remove_ended_lease(backend::Backend& store, const ListedLease& lease) {
  // The first whatever was listed: its owner looks for it when the end is gone.
  TRY(store.remove(lease_name(lease.record.id, kFirstSequence)));
  for (const std::uint64_t number : lease.numbers)
    TRY(store.remove(lease_name(lease.record.id, number)));
  TRY(store.barrier());
  return store.remove(end_name(lease.record.id));
}

}  // namespace backstay::repo
