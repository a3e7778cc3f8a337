#include "repo/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <map>
#include <thread>

#include "base/mutex.h"
#include "base/record.h"
#include "base/try.h"
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

using snapshot::FieldSet;
constexpr snapshot::RecordShape kLeaseShape{
    .name = "lease", .last = 11, .bytes = FieldSet(1, 3, 5, 6), .repeated = {}};
constexpr FieldSet kLeaseRequired(1, 2, 4, 10);

std::string lease_name(const LeaseId& id, std::uint64_t sequence) {
  return fmt::format("{}{}-{:010}", kLeasePrefix, id.hex(), sequence);
}

struct LeaseName {
  LeaseId id;
  std::uint64_t sequence = 0;
};
Result<LeaseName> parse_lease_name(std::string_view name) {
  if (name.size() == kLeasePrefix.size() + 32 + 1 + 10 && name.starts_with(kLeasePrefix)) {
    name.remove_prefix(kLeasePrefix.size());
    LeaseName parsed;
    const auto id = LeaseId::from_hex(name.substr(0, 32));
    const auto [end, error] =
        std::from_chars(name.data() + 33, name.data() + name.size(), parsed.sequence);
    if (id && name[32] == '-' && error == std::errc{} && end == name.data() + name.size()) {
      parsed.id = *id;
      return parsed;
    }
  }
  return fail(ErrorCode::kInvalidArgument, "not the name of a lease");
}

// Counts through suspension, unlike CLOCK_MONOTONIC: a laptop that slept has missed its renewals.
std::int64_t seconds_since_boot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec;
}

}  // namespace

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
  if (lease.ended) out.number(11, 1);
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
      case 11:
        lease.ended = field.value_number != 0;
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
  // Numbers under which objects of this lease are, the one of `record` last. For acquire(), the
  // renewer, and whoever comes after it.
  std::vector<std::uint64_t> stored;
  std::uint64_t sound = 0;  // the newest that was put while the lease stood, for certain
  bool attempted = false;   // the next number may be stored, too: its answer was lost
  bool released = false;
  std::jthread renewer;

  Result<void> renew();
  Result<void> confirm();
  Result<bool> is_own(std::uint64_t number);
  Result<void> find_earlier();
  std::unexpected<Error> note_lost() EXCLUDES(mutex);
  bool is_lost() EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    return lost;
  }

  // Removes what stands under the numbers before the last `kept`.
  Result<void> remove_stored(std::size_t kept) {
    while (stored.size() > kept) {
      TRY(store.remove(lease_name(record.id, stored.front())));
      stored.erase(stored.begin());
    }
    return {};
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

std::unexpected<Error> Lease::State::note_lost() {
  const MutexLock lock(mutex);
  lost = true;
  return std::unexpected(
      Error(ErrorCode::kConflict,
            "the lease was taken for dead and ended by somebody else, because it was not renewed "
            "in time")
          .with_hint("Run the command again: what was stored is found and reused."));
}

// What stands under a number that this lease would take next: its own object, whose answer was
// lost, or the word that the lease was ended.
Result<bool> Lease::State::is_own(std::uint64_t number) {
  auto found = get_object(store, lease_name(record.id, number), kPlainObjectMax);
  if (!found && found.error().code() == ErrorCode::kNotFound) return false;
  if (!found) return std::unexpected(std::move(found).error());
  const auto decoded = decode_lease(*found, repository);
  return decoded && decoded->id == record.id && !decoded->ended;
}

// Whoever ends a lease removes what stands under earlier numbers before the one that ended it.
Result<void> Lease::State::find_earlier() {
  const auto earlier = store.head(lease_name(record.id, sound));
  if (earlier) return {};
  if (earlier.error().code() == ErrorCode::kNotFound) return note_lost();
  return std::unexpected(earlier.error().clone());
}

// The next number, create-only: either this or an attempt to end the lease takes it
// (docs/format.md section 8.3).
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
    if (!put && !TRY(is_own(next.sequence))) return note_lost();
    if (put) TRY(find_earlier());
    record.sequence = next.sequence;
    stored.push_back(next.sequence);
    attempted = false;
    if (!put) continue;  // it was there before: it says nothing about now
    sound = next.sequence;
    {
      const MutexLock lock(mutex);
      renewed_at = now;
    }
    // The newest two stay, so that no listing misses both; what cannot go now goes later.
    (void)remove_stored(2);
    return {};
  }
  return fail(ErrorCode::kUnavailable, "the lease could not be renewed");
}

// First that nothing ended it, then that what it has is there: in the other order both could be
// gone between the two looks.
Result<void> Lease::State::confirm() {
  for (int attempt = 0; attempt < kRenewalTriesMax; ++attempt) {
    const auto next = store.head(lease_name(record.id, record.sequence + 1));
    if (!next && next.error().code() != ErrorCode::kNotFound) {
      return std::unexpected(next.error().clone());
    }
    if (!next) return find_earlier();
    if (!TRY(is_own(record.sequence + 1))) return note_lost();
    stored.push_back(++record.sequence);
  }
  return fail(ErrorCode::kUnavailable, "the lease could not be confirmed");
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
  const std::uint64_t first = record.sequence;
  const std::int64_t now = seconds_since_boot();
  const Bytes object = encode_lease(record, repository);
  auto put = store.put(lease_name(record.id, record.sequence), object);
  if (!put) return std::unexpected(no_lease(std::move(put).error()));
  std::unique_ptr<State> state(new State{.store = store,
                                         .repository = repository,
                                         .record = std::move(record),
                                         .mutex = {},
                                         .renewed_at = now,
                                         .stored = {first},
                                         .sound = first,
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

static void end_thread(std::jthread& thread) {
  thread.request_stop();
  if (thread.joinable()) thread.join();
}

Result<void> Lease::confirm() {
  end_thread(state_->renewer);
  return state_->is_lost() ? state_->note_lost() : state_->confirm();
}

Result<void> Lease::release() {
  if (state_->released) return {};
  state_->released = true;
  end_thread(state_->renewer);
  if (state_->attempted) state_->stored.push_back(state_->record.sequence + 1);
  return state_->remove_stored(0);
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
  backend::ObjectInfo newest;
  std::vector<std::uint64_t> numbers;
};
using LeasesById = std::map<LeaseId, LeaseObjects>;

}  // namespace

static Result<LeasesById> list_lease_objects(backend::Backend& store) {
  LeasesById leases;
  TRY(store.list(kLeasePrefix, [&](const backend::ObjectInfo& info) -> Result<void> {
    const auto name = parse_lease_name(info.name);
    if (!name) return {};
    LeaseObjects& lease = leases[name->id];
    if (lease.numbers.empty() || name->sequence > lease.numbers.back()) lease.newest = info;
    lease.numbers.insert(std::ranges::upper_bound(lease.numbers, name->sequence), name->sequence);
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

static ListedLease judged(const LeaseId& id, const LeaseObjects& objects,
                          Result<LeaseRecord> record, Timestamp now) {
  const std::uint64_t number = objects.numbers.back();
  const bool named = record && record->id == id && record->sequence == number;
  ListedLease lease{.record = named ? *std::move(record) : unreadable_lease(id, number),
                    .renewed = objects.newest.modified,
                    .numbers = objects.numbers};
  lease.age_seconds = std::max<std::int64_t>(0, now.seconds - lease.renewed.seconds);
  lease.alive =
      !lease.record.ended &&
      lease.age_seconds <= static_cast<std::int64_t>(kRenewalsMissed * lease.record.renew_seconds);
  return lease;
}

Result<std::vector<ListedLease>> list_leases(backend::Backend& store,
                                             const RepositoryId& repository) {
  for (int attempt = 1; attempt <= kListingTriesMax; ++attempt) {
    const LeasesById found = TRY(list_lease_objects(store));
    const Timestamp now = TRY(store.store_time());
    std::vector<ListedLease> leases;
    bool vanished = false;
    for (const auto& [id, objects] : found) {
      const auto stored = get_object(store, objects.newest.name, kPlainObjectMax);
      // Released meanwhile, or renewed, and then it stands under another name.
      vanished = vanished || (!stored && stored.error().code() == ErrorCode::kNotFound);
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
  if (lease.record.ended) return true;
  LeaseRecord end = lease.record;
  end.sequence = lease.numbers.back() + 1;
  end.ended = true;
  const auto put = store.put(lease_name(end.id, end.sequence), encode_lease(end, repository));
  if (put) return true;
  if (put.error().code() == ErrorCode::kAlreadyExists) return false;
  return std::unexpected(put.error().clone().with_context("ending a dead lease"));
}

Result<void> remove_ended_lease(backend::Backend& store, const ListedLease& lease) {
  for (std::size_t i = 0; i + 1 < lease.numbers.size(); ++i) {
    TRY(store.remove(lease_name(lease.record.id, lease.numbers[i])));
  }
  TRY(store.barrier());
  return store.remove(lease_name(lease.record.id, lease.numbers.back()));
}

}  // namespace backstay::repo
