#include "cli/known_repository.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/record.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "io/file.h"
#include "snapshot/field_scan.h"

namespace backstay::cli {
namespace {

using snapshot::FieldScan;
using snapshot::FieldSet;
constexpr snapshot::RecordShape kKnownShape{
    .name = "known repository", .last = 3, .bytes = FieldSet(1, 3), .repeated = FieldSet(3)};
constexpr snapshot::RecordShape kKnownEpochShape{
    .name = "known epoch", .last = 2, .bytes = FieldSet(2), .repeated = {}};
constexpr std::uint64_t kKnownFileMax = 8 * 1024 * 1024;
constexpr const char* kKnownFolder = "/known";

std::string known_path(const std::string& cache, const std::string& place) {
  return cache + kKnownFolder + "/" + crypto::blake3(as_bytes(place)).hex();
}

Error changed(const std::string& how, const char* what_then) {
  return Error(ErrorCode::kPermissionDenied, how)
      .with_hint(fmt::format("{} If it is right, say so once with --accept-changed.", what_then));
}

constexpr const char* kExchanged =
    "Somebody may have put it there so that what is backed up is his, too. Whoever made a new "
    "repository at this place knows.";
constexpr const char* kForked =
    "Somebody who can remove objects of the store, and had a key once, may have put his own keys "
    "in the place of yours: see 'backstay check' and docs/threat-model.md.";
constexpr const char* kRolledBack =
    "Somebody may have taken new keys away, so that backups go on under those that he has, or "
    "given back an older copy of the whole store.";

Result<std::pair<std::uint32_t, crypto::VerifyingKey>> decode_known_epoch(ByteView record) {
  std::pair<std::uint32_t, crypto::VerifyingKey> epoch;
  FieldScan scan(record, kKnownEpochShape);
  while (TRY(scan.next())) {
    if (scan.field().number == 1) {
      if (scan.field().value_number > std::numeric_limits<std::uint32_t>::max())
        return fail(ErrorCode::kCorruption, "a known epoch has an absurd number");
      epoch.first = static_cast<std::uint32_t>(scan.field().value_number);
    } else {
      epoch.second = TRY(crypto::VerifyingKey::from_bytes(scan.field().value_bytes));
    }
  }
  if (!scan.seen().has_all(FieldSet(1, 2)))
    return fail(ErrorCode::kCorruption, "a known epoch is incomplete");
  return epoch;
}

}  // namespace

KnownRepository known_with(const repo::RepositoryId& id, bool encrypted,
                           const repo::Keyring& keyring) {
  KnownRepository known{.id = id, .encrypted = encrypted};
  for (const repo::KeyEpoch& epoch : keyring.epochs)
    known.epochs.emplace(epoch.number, epoch.signer);
  return known;
}

// The record and BLAKE3 of it.
void encode_known(const KnownRepository& known, Bytes& out) {
  RecordWriter writer(out);
  writer.bytes(1, known.id.view());
  writer.number(2, known.encrypted ? 1 : 0);
  for (const auto& [number, signer] : known.epochs) {
    Bytes inner;
    RecordWriter of_epoch(inner);
    of_epoch.number(1, number);
    of_epoch.bytes(2, signer.view());
    writer.bytes(3, inner);
  }
  append(out, crypto::blake3(out).view());
}

Result<KnownRepository> decode_known(ByteView stored) {
  constexpr std::size_t kTail = crypto::Digest::kSize;
  const bool whole =
      stored.size() >= kTail && crypto::blake3(stored.first(stored.size() - kTail)) ==
                                    TRY(crypto::Digest::from_bytes(stored.last(kTail)));
  if (!whole) return fail(ErrorCode::kCorruption, "what is known of a repository is damaged");
  KnownRepository known;
  FieldScan scan(stored.first(stored.size() - kTail), kKnownShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.number == 1) known.id = TRY(repo::RepositoryId::from_bytes(field.value_bytes));
    if (field.number == 2) known.encrypted = field.value_number == 1;
    if (field.number == 3) known.epochs.insert(TRY(decode_known_epoch(field.value_bytes)));
  }
  if (!scan.seen().has_all(FieldSet(1, 2)))
    return fail(ErrorCode::kCorruption, "what is known of a repository is incomplete");
  return known;
}

std::optional<Error> difference(const KnownRepository& known, const KnownRepository& now) {
  if (known.id != now.id) {
    const bool plain = known.encrypted && !now.encrypted;
    return changed(
        plain ? "the repository at this place was encrypted, and the one that is there now is not"
              : fmt::format("the repository at this place is another one than it was: {} and not "
                            "{}",
                            now.id.hex(), known.id.hex()),
        kExchanged);
  }
  if (known.encrypted && !now.encrypted)
    return changed("the repository was encrypted, and now its config says that it is not",
                   kExchanged);
  if (now.epochs.empty()) return std::nullopt;
  for (const auto& [number, signer] : known.epochs) {
    const auto found = now.epochs.find(number);
    if (found != now.epochs.end() && found->second != signer) {
      return changed(
          fmt::format("key epoch {} of the repository is another one than it was", number),
          kForked);
    }
  }
  if (known.epochs.empty() || now.epochs.rbegin()->first >= known.epochs.rbegin()->first)
    return std::nullopt;
  return changed(fmt::format("key epoch {} of the repository is gone: it is back at epoch {}",
                             known.epochs.rbegin()->first, now.epochs.rbegin()->first),
                 kRolledBack);
}

std::optional<KnownRepository> read_known(const std::string& cache, const std::string& place) {
  if (cache.empty()) return std::nullopt;
  const auto stored = io::read_file(known_path(cache, place), kKnownFileMax);
  if (!stored) return std::nullopt;
  auto known = decode_known(*stored);
  if (!known) return std::nullopt;
  return std::move(*known);
}

Result<void> keep_known(const std::string& cache, const std::string& place,
                        const KnownRepository& now) {
  if (cache.empty() || read_known(cache, place) == now) return {};
  TRY(io::make_directories(cache + kKnownFolder));
  Bytes bytes;
  encode_known(now, bytes);
  return io::replace_file(known_path(cache, place), bytes);
}

}  // namespace backstay::cli
