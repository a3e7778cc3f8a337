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

namespace backstay::repo {

namespace {

constexpr std::string_view kPrefix = "leases/";
// A lease counts as dead after this many missed renewals (docs/format.md section 8.3).
constexpr std::uint64_t kRenewalsMissed = 3;

std::string lease_name(const LeaseId& id, std::uint64_t sequence) {
  return fmt::format("{}{}-{:010}", kPrefix, id.hex(), sequence);
}

struct LeaseName {
  LeaseId id;
  std::uint64_t sequence = 0;
};
Result<LeaseName> parse_lease_name(std::string_view name) {
  if (name.size() == kPrefix.size() + 32 + 1 + 10 && name.starts_with(kPrefix)) {
    name.remove_prefix(kPrefix.size());
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
  RecordReader reader(object.record);
  while (!reader.done()) {
    const Field field = TRY(reader.next());
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
        lease.started.nanos = static_cast<std::uint32_t>(field.value_number % 1'000'000'000);
        break;
      case 10:
        lease.renew_seconds = std::min<std::uint64_t>(field.value_number, 86400);
        break;
      default:
        break;
    }
  }
  return lease;
}

struct Lease::State {
  backend::Backend& store;
  RepositoryId repository;
  LeaseRecord record;
  Mutex mutex;
  std::int64_t renewed_at GUARDED_BY(mutex) = 0;
  bool released = false;
  std::jthread renewer;

  // The next number first, then the older object goes: at no time is there none.
  void renew(const std::stop_token& stop) {
    LeaseRecord next = record;
    ++next.sequence;
    const Bytes object = encode_lease(next, repository);
    const auto put = store.put(lease_name(next.id, next.sequence), object);
    if (!put || stop.stop_requested()) return;
    (void)store.remove(lease_name(record.id, record.sequence));
    record.sequence = next.sequence;
    const MutexLock lock(mutex);
    renewed_at = seconds_since_boot();
  }

  void keep_renewing(const std::stop_token& stop) {
    std::mutex sleep_mutex;
    std::condition_variable_any sleep;
    std::unique_lock lock(sleep_mutex);
    while (!stop.stop_requested()) {
      sleep.wait_for(lock, stop, std::chrono::seconds(record.renew_seconds), [] { return false; });
      if (!stop.stop_requested()) renew(stop);
    }
  }
};

Lease::Lease(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Lease>> Lease::acquire(backend::Backend& store,
                                              const RepositoryId& repository, LeaseRecord record,
                                              Rng& rng) {
  rng.fill(record.id.bytes);
  const Bytes object = encode_lease(record, repository);
  TRY_DOING("taking a lease", store.put(lease_name(record.id, record.sequence), object));
  std::unique_ptr<State> state(new State{.store = store,
                                         .repository = repository,
                                         .record = std::move(record),
                                         .mutex = {},
                                         .renewed_at = seconds_since_boot(),
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
  return state_->store.remove(lease_name(state_->record.id, state_->record.sequence));
}

Lease::~Lease() {
  (void)release();
}

const LeaseId& Lease::id() const {
  return state_->record.id;
}

Result<std::vector<ListedLease>> list_leases(backend::Backend& store,
                                             const RepositoryId& repository) {
  // Of every lease the object with the highest number counts.
  std::map<LeaseId, std::pair<std::uint64_t, backend::ObjectInfo>> newest;
  TRY(store.list(kPrefix, [&](const backend::ObjectInfo& info) -> Result<void> {
    const auto name = parse_lease_name(info.name);
    if (!name) return {};
    auto& slot = newest[name->id];
    if (slot.second.name.empty() || name->sequence > slot.first) slot = {name->sequence, info};
    return {};
  }));
  const Timestamp now = TRY(store.store_time());
  std::vector<ListedLease> leases;
  for (const auto& [id, found] : newest) {
    const auto stored = store.get(found.second.name, kPlainObjectMax);
    if (!stored && stored.error().code() == ErrorCode::kNotFound) continue;  // released meanwhile
    if (!stored) return std::unexpected(stored.error().clone().with_context("reading a lease"));
    ListedLease lease;
    lease.record = TRY_DOING("reading " + found.second.name, decode_lease(*stored, repository));
    lease.age_seconds = std::max<std::int64_t>(0, now.seconds - found.second.modified.seconds);
    lease.alive = lease.age_seconds <=
                  static_cast<std::int64_t>(kRenewalsMissed * lease.record.renew_seconds);
    leases.push_back(std::move(lease));
  }
  return leases;
}

}  // namespace backstay::repo
