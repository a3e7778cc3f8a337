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

using snapshot::FieldSet;
constexpr snapshot::RecordShape kLeaseShape{
    .name = "lease", .last = 10, .bytes = FieldSet(1, 3, 5, 6), .repeated = {}};
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
  LeaseRecord record;  // the sequence number is that of the last attempt to renew
  Mutex mutex;
  std::int64_t renewed_at GUARDED_BY(mutex) = 0;
  // Numbers under which an object may be: the last renewal, and attempts of which it is not known
  // whether they took effect. For acquire(), the renewer, and release() after it.
  std::vector<std::uint64_t> stored;
  bool released = false;
  std::jthread renewer;

  // The next number first, then the older objects go: at no time is there none. A number is never
  // tried twice: it may be taken by an attempt whose answer was lost.
  bool renew() {
    const std::int64_t now = seconds_since_boot();
    ++record.sequence;
    const auto put =
        store.put(lease_name(record.id, record.sequence), encode_lease(record, repository));
    stored.push_back(record.sequence);
    if (!put) return false;
    const MutexLock lock(mutex);
    renewed_at = now;
    return true;
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
      if (renew()) (void)remove_stored(1);  // what stays is tried again at the next renewal
    }
  }
};

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
                                              Rng& rng) {
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
                                         .renewer = {}});
  State* shared = state.get();
  state->renewer =
      std::jthread([shared](const std::stop_token& stop) { shared->keep_renewing(stop); });
  return std::unique_ptr<Lease>(new Lease(std::move(state)));
}

Result<void> Lease::verify() const {
  const MutexLock lock(state_->mutex);
  const std::int64_t unseen = seconds_since_boot() - state_->renewed_at;
  if (unseen <= static_cast<std::int64_t>(kRenewalsMissed * state_->record.renew_seconds))
    return {};
  return std::unexpected(
      Error(ErrorCode::kConflict,
            fmt::format("the lease could not be renewed for {} seconds", unseen))
          .with_hint("Run the command again: what was stored is found and reused."));
}

Result<void> Lease::release() {
  if (state_->released) return {};
  state_->released = true;
  state_->renewer.request_stop();
  if (state_->renewer.joinable()) state_->renewer.join();
  return state_->remove_stored(0);
}

Lease::~Lease() {
  (void)release();
}

const LeaseId& Lease::id() const {
  return state_->record.id;
}

// Of every lease the object with the highest number counts.
using NewestObjects = std::map<LeaseId, std::pair<std::uint64_t, backend::ObjectInfo>>;

static Result<NewestObjects> newest_objects(backend::Backend& store) {
  NewestObjects newest;
  TRY(store.list(kLeasePrefix, [&](const backend::ObjectInfo& info) -> Result<void> {
    const auto name = parse_lease_name(info.name);
    if (!name) return {};
    auto& slot = newest[name->id];
    if (slot.second.name.empty() || name->sequence > slot.first) slot = {name->sequence, info};
    return {};
  }));
  return newest;
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

Result<std::vector<ListedLease>> list_leases(backend::Backend& store,
                                             const RepositoryId& repository) {
  for (int attempt = 1; attempt <= kListingTriesMax; ++attempt) {
    const NewestObjects newest = TRY(newest_objects(store));
    const Timestamp now = TRY(store.store_time());
    std::vector<ListedLease> leases;
    bool vanished = false;
    for (const auto& [id, found] : newest) {
      const auto stored = get_object(store, found.second.name, kPlainObjectMax);
      // Released meanwhile, or renewed, and then it stands under another name.
      vanished = vanished || (!stored && stored.error().code() == ErrorCode::kNotFound);
      if (vanished) break;
      if (!stored && !is_damage(stored.error().code())) {
        return std::unexpected(stored.error().clone().with_context("reading a lease"));
      }
      auto record = decode_lease(stored ? ByteView(*stored) : ByteView(), repository);
      const bool named = record && record->id == id && record->sequence == found.first;
      ListedLease lease;
      lease.record = named ? std::move(*record) : unreadable_lease(id, found.first);
      lease.age_seconds = std::max<std::int64_t>(0, now.seconds - found.second.modified.seconds);
      lease.alive = lease.age_seconds <=
                    static_cast<std::int64_t>(kRenewalsMissed * lease.record.renew_seconds);
      leases.push_back(std::move(lease));
    }
    if (!vanished) return leases;
  }
  return fail(ErrorCode::kUnavailable, "leases come and go faster than they can be read");
}

}  // namespace backstay::repo
