#include "repo/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/record.h"
#include "base/try.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

std::string generation_name(std::uint64_t number) {
  return fmt::format("{}{:020}", name_prefix(ObjectKind::kGeneration), number);
}

namespace {

using snapshot::FieldSet;
constexpr snapshot::RecordShape kGenerationShape{
    .name = "generation", .last = 6, .bytes = FieldSet(2, 5, 6), .repeated = FieldSet(2, 5, 6)};
constexpr snapshot::RecordShape kSignedShape{
    .name = "generation", .last = 3, .bytes = FieldSet(1, 3), .repeated = {}};
constexpr std::uint64_t kGenerationNanosMax = 999'999'999;
constexpr int kGenerationListingsMax = 5;

// Nothing when it is not the name of a generation.
std::optional<std::uint64_t> number_in(const std::string& name) {
  const std::string_view digits =
      std::string_view(name).substr(name_prefix(ObjectKind::kGeneration).size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || generation_name(number) != name) return std::nullopt;
  if (number < kGenerationMin || number > kGenerationMax) return std::nullopt;
  return number;
}

}  // namespace

void encode_generation_body(const Generation& generation, Bytes& record) {
  RecordWriter out(record);
  out.number(1, generation.number);
  for (const ObjectId& pack : generation.condemned) out.bytes(2, pack.view());
  out.signed_number(3, generation.time.seconds);
  out.number(4, generation.time.nanos);
  for (const LeaseId& lease : generation.ended_leases) out.bytes(5, lease.view());
  for (const ObjectId& snapshot : generation.kept_snapshots) out.bytes(6, snapshot.view());
}

// Not of another repository, and not of another kind of message.
static Bytes generation_message(const RepositoryId& repository, ByteView body) {
  Bytes message = to_owned(as_bytes("backstay v1 generation"));
  append(message, repository.view());
  append(message, body);
  return message;
}

static const KeyEpoch& newest_of(const Keyring& keyring, std::optional<KeyEpoch>& late) {
  if (keyring.late != nullptr) late = keyring.late->newest();
  return late && late->number > keyring.current_epoch ? *late : keyring.current();
}

static Result<crypto::VerifyingKey> signer_of(const Keyring& keyring, std::uint64_t epoch) {
  const std::optional<KeyEpoch> found = TRY(keyring.epoch(epoch));
  if (found) return found->signer;
  return fail(ErrorCode::kCorruption, "the generation was signed in an epoch that nobody has");
}

Result<Bytes> encode_generation(const Generation& generation, const RepositoryId& repository,
                                const Keyring& keyring) {
  std::optional<KeyEpoch> late;
  const KeyEpoch& epoch = newest_of(keyring, late);
  if (epoch.is_write_only())
    return fail(ErrorCode::kWrongKey, "a write-only key can neither condemn nor end anything");
  Bytes body;
  encode_generation_body(generation, body);
  Bytes record;
  RecordWriter out(record);
  out.bytes(1, body);
  out.number(2, epoch.number);
  out.bytes(3, epoch.sign(generation_message(repository, body)));
  return encode_plain_object(ObjectKind::kGeneration, repository, record);
}

Result<Generation> decode_generation(ByteView stored, const RepositoryId& repository,
                                     const Keyring& keyring) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kGeneration, stored));
  if (object.header.repository != repository) {
    return fail(ErrorCode::kCorruption, "the generation belongs to another repository");
  }
  Bytes body;
  Bytes signature;
  std::uint64_t epoch = 0;
  snapshot::FieldScan scan(object.record, kSignedShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.number == 1) body = to_owned(field.value_bytes);
    if (field.number == 2) epoch = field.value_number;
    if (field.number == 3) signature = to_owned(field.value_bytes);
  }
  if (!scan.seen().has_all(FieldSet(1, 2, 3)))
    return fail(ErrorCode::kCorruption, "the generation is not signed");
  const crypto::VerifyingKey signer = TRY(signer_of(keyring, epoch));
  if (!crypto::is_signed_by(signer, generation_message(repository, body), signature)) {
    return fail(ErrorCode::kCorruption,
                "the generation was not made with a key of this repository");
  }
  return decode_generation_body(body);
}

Result<Generation> decode_generation_body(ByteView body) {
  Generation generation;
  snapshot::FieldScan scan(body, kGenerationShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
        generation.number = field.value_number;
        break;
      case 2: {
        const auto pack = ObjectId::from_bytes(field.value_bytes);
        if (!pack)
          return fail(ErrorCode::kCorruption, "a condemned pack's name has a wrong length");
        generation.condemned.push_back(*pack);
        break;
      }
      case 3:
        generation.time.seconds = unzigzag(field.value_number);
        break;
      case 4:
        if (field.value_number > kGenerationNanosMax) {
          return fail(ErrorCode::kCorruption, "the generation's time is absurd");
        }
        generation.time.nanos = static_cast<std::uint32_t>(field.value_number);
        break;
      case 5: {
        const auto lease = LeaseId::from_bytes(field.value_bytes);
        if (!lease) return fail(ErrorCode::kCorruption, "an ended lease's id has a wrong length");
        generation.ended_leases.push_back(*lease);
        break;
      }
      case 6: {
        const auto snapshot = ObjectId::from_bytes(field.value_bytes);
        if (!snapshot) return fail(ErrorCode::kCorruption, "a snapshot's id has a wrong length");
        generation.kept_snapshots.push_back(*snapshot);
        break;
      }
      default:
        break;
    }
  }
  if (!scan.seen().has(1)) return fail(ErrorCode::kCorruption, "the generation has no number");
  return generation;
}

Generation next_generation(const std::vector<Generation>& known, const EndedLeases& seen,
                           Timestamp now) {
  Generation next{.number = known.empty() ? kGenerationMin : known.back().number + 1,
                  .condemned = {},
                  .time = now,
                  .ended_leases = {},
                  .kept_snapshots = {}};
  std::set<ObjectId> kept;
  if (!known.empty()) {
    next.ended_leases = known.back().ended_leases;
    kept = {known.back().kept_snapshots.begin(), known.back().kept_snapshots.end()};
  }
  std::set<LeaseId> named(next.ended_leases.begin(), next.ended_leases.end());
  const std::set<LeaseId> before = named;
  for (const LeaseId& lease : seen.ended) {
    if (named.insert(lease).second) next.ended_leases.push_back(lease);
  }
  std::multimap<LeaseId, ObjectId> committed;
  for (const auto& [snapshot, lease] : seen.committed) {
    if (named.contains(lease) && (!before.contains(lease) || kept.contains(snapshot)))
      committed.emplace(lease, snapshot);
  }
  const auto too_much = [&] {
    return named.size() > kEndedLeasesMax || committed.size() > kKeptSnapshotsMax;
  };
  std::erase_if(next.ended_leases, [&](const LeaseId& lease) {
    if (!too_much() || seen.uncounted.contains(lease)) return false;
    named.erase(lease);
    committed.erase(lease);
    return true;
  });
  for (const auto& [lease, snapshot] : committed) next.kept_snapshots.push_back(snapshot);
  return next;
}

Result<void> create_generation(backend::Backend& store, const Generation& generation,
                               const RepositoryId& repository, const Keyring& keyring) {
  if (generation.number > kGenerationMax)
    return fail(ErrorCode::kCorruption, "generations have run out: somebody took the last number");
  const Bytes object = TRY(encode_generation(generation, repository, keyring));
  if (object.size() > kPlainObjectMax)
    return fail(ErrorCode::kInvalidArgument, "a generation names more than fits its object");
  return store.put(generation_name(generation.number), object);
}

Result<void> remove_generation(backend::Backend& store, std::uint64_t number) {
  return store.remove(generation_name(number));
}

static Result<std::vector<std::uint64_t>> list_numbers(backend::Backend& store) {
  std::vector<std::uint64_t> numbers;
  TRY(store.list(name_prefix(ObjectKind::kGeneration),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   if (const auto number = number_in(info.name)) numbers.push_back(*number);
                   return {};
                 }));
  std::ranges::sort(numbers);
  return numbers;
}

// Nothing when a collection removed it: there is a later one by now.
static Result<std::optional<Generation>> read_generation(backend::Backend& store,
                                                         std::uint64_t number,
                                                         const RepositoryId& repository,
                                                         const Keyring& keyring) {
  const auto stored = get_object(store, generation_name(number), kPlainObjectMax);
  if (!stored && stored.error().code() == ErrorCode::kNotFound) return std::nullopt;
  if (!stored) return std::unexpected(stored.error().clone());
  Generation generation = TRY(decode_generation(*stored, repository, keyring));
  if (generation.number != number)
    return fail(ErrorCode::kCorruption, "it has another number inside");
  return generation;
}

Result<GenerationsRead> read_generations(backend::Backend& store, const RepositoryId& repository,
                                         const Keyring& keyring,
                                         const std::vector<Generation>& known) {
  for (int attempt = 1; attempt <= kGenerationListingsMax; ++attempt) {
    GenerationsRead read;
    bool vanished = false;
    for (const std::uint64_t number : TRY(list_numbers(store))) {
      const auto before = std::ranges::find(known, number, &Generation::number);
      if (before != known.end()) {
        read.generations.push_back(*before);
        continue;
      }
      auto generation = read_generation(store, number, repository, keyring);
      if (generation) {
        vanished = !generation->has_value();
        if (vanished) break;
        read.generations.push_back(**std::move(generation));
        continue;
      }
      Error error =
          std::move(generation).error().with_context("reading " + generation_name(number));
      if (!is_damage(error.code())) return std::unexpected(std::move(error));
      if (!read.trouble) read.trouble = error.clone();
      read.damaged.emplace_back(number, std::move(error));
    }
    if (!vanished) return read;
  }
  return fail(ErrorCode::kUnavailable, "generations come and go faster than they can be read");
}

static Result<Generation> generation_without_key(ByteView stored, const RepositoryId& repository) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kGeneration, stored));
  if (object.header.repository != repository)
    return fail(ErrorCode::kCorruption, "the generation belongs to another repository");
  snapshot::FieldScan scan(object.record, kSignedShape);
  while (TRY(scan.next())) {
    if (scan.field().number == 1) return decode_generation_body(scan.field().value_bytes);
  }
  return fail(ErrorCode::kCorruption, "the generation is empty");
}

Result<CondemnedPacks> read_condemned(backend::Backend& store, const RepositoryId& repository) {
  for (int attempt = 1; attempt <= kGenerationListingsMax; ++attempt) {
    CondemnedPacks read;
    bool vanished = false;
    for (const std::uint64_t number : TRY(list_numbers(store))) {
      const auto stored = get_object(store, generation_name(number), kPlainObjectMax);
      vanished = !stored && stored.error().code() == ErrorCode::kNotFound;
      if (vanished) break;
      if (!stored) return std::unexpected(stored.error().clone());
      const Generation generation = TRY_DOING("reading " + generation_name(number),
                                              generation_without_key(*stored, repository));
      read.highest = number;
      read.packs.insert(generation.condemned.begin(), generation.condemned.end());
    }
    if (!vanished) return read;
  }
  return fail(ErrorCode::kUnavailable, "generations come and go faster than they can be read");
}

}  // namespace backstay::repo
