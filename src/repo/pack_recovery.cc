#include "repo/pack_recovery.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::repo {

namespace {

constexpr std::size_t kPacksAtOnce = 64;
constexpr std::uint64_t kEntriesAtOnce = 1024 * 1024;
constexpr std::size_t kPieceBytes = 1024 * 1024;

Result<PackEntries> read_entries(backend::Backend& store, const Keyring& keyring,
                                 const RepositoryId& repository, const Index::Pack& pack,
                                 PackDepth depth) {
  if (depth == PackDepth::kWhole) TRY(verify_name(store, object_kind(pack.kind), pack.id));
  const PackDirectory directory = TRY(read_directory(store, keyring, repository, pack));
  return index_entries(directory, pack.id, pack.kind, pack.size_bytes);
}

using Outcome = std::optional<Result<PackEntries>>;

// Of one pack; any other failure is that of the store.
bool is_of_the_pack(ErrorCode code) {
  return is_damage_or_loss(code) || code == ErrorCode::kPermissionDenied;
}

}  // namespace

Result<PackDirectory> read_directory(backend::Backend& store, const Keyring& keyring,
                                     const RepositoryId& repository, const Index::Pack& pack) {
  const std::string name = object_name(object_kind(pack.kind), pack.id);
  if (pack.size_bytes < kHeaderSize + kPackTrailerSize) {
    return fail(ErrorCode::kCorruption, "the pack is cut short");
  }
  const Bytes prefix = TRY(read_prefix(store, name, object_kind(pack.kind), repository));
  Bytes trailer(kPackTrailerSize);
  TRY(store.get_range(name, pack.size_bytes - kPackTrailerSize, trailer));
  Bytes sealed(TRY(directory_length(trailer, pack.size_bytes)));
  TRY(store.get_range(name, pack.size_bytes - kPackTrailerSize - sealed.size(), sealed));
  return open_directory(prefix, sealed, pack.size_bytes, pack.kind, keyring, repository);
}

Result<void> verify_name(backend::Backend& store, ObjectKind kind, const ObjectId& id) {
  const std::string name = object_name(kind, id);
  const std::uint64_t size = TRY(store.head(name)).size_bytes;
  crypto::Blake3Stream digest;
  Bytes piece;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, size - at)));
    TRY(store.get_range(name, at, piece));
    digest.update(piece);
  }
  if (digest.finish().bytes == id.bytes) return {};
  return fail(ErrorCode::kCorruption, "its bytes do not match its name");
}

void RecoveredPacks::append(RecoveredPacks more) {
  packs.insert(packs.end(), more.packs.begin(), more.packs.end());
  chunks += more.chunks;
  for (auto& one : more.unreadable) unreadable.push_back(std::move(one));
}

Result<RecoveredPacks> recover_packs(
    backend::Backend& store, const Keyring& keyring, const RepositoryId& repository,
    const std::vector<Index::Pack>& packs, const PackReading& how,
    const std::function<Result<void>(std::vector<PackEntries>)>& take) {
  RecoveredPacks recovered;
  std::vector<PackEntries> portion;
  std::uint64_t entries = 0;
  for (std::size_t begin = 0; begin < packs.size(); begin += kPacksAtOnce) {
    const std::size_t count = std::min(kPacksAtOnce, packs.size() - begin);
    std::vector<Outcome> read(count);
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t at = next++; at < count; at = next++)
        read[at] = read_entries(store, keyring, repository, packs[begin + at], how.depth);
    };
    std::vector<std::jthread> readers;
    for (std::size_t i = 1; i < std::min(how.readers, count); ++i) readers.emplace_back(work);
    work();
    readers.clear();
    for (std::size_t i = 0; i < count; ++i) {
      Result<PackEntries>& one = *read[i];
      if (one) {
        recovered.packs.push_back(one->pack);
        entries += one->chunks.size();
        recovered.chunks += one->chunks.size();
        portion.push_back(std::move(*one));
      } else if (is_of_the_pack(one.error().code())) {
        recovered.unreadable.emplace_back(packs[begin + i].id, std::move(one).error());
      } else {
        return std::unexpected(std::move(one).error().with_context("reading packs' directories"));
      }
    }
    const bool last = begin + count == packs.size();
    if (portion.empty() || (!last && entries < kEntriesAtOnce)) continue;
    TRY(take(std::exchange(portion, {})));
    entries = 0;
  }
  return recovered;
}

}  // namespace backstay::repo
