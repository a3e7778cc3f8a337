#include "engine/check/object_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "base/page_buffer.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "repo/parity_object.h"

namespace backstay::engine::check_stages {

namespace {

using repo::ObjectKind;

constexpr std::array kNamedByHash{ObjectKind::kKeySlot,  ObjectKind::kDataPack,
                                  ObjectKind::kMetaPack, ObjectKind::kIndexRun,
                                  ObjectKind::kSnapshot, ObjectKind::kParity};
// Larger objects are verified in pieces of this size.
constexpr std::size_t kPieceBytes = 4 * 1024 * 1024;
constexpr std::array kInFolders{
    ObjectKind::kKeySlot,    ObjectKind::kDataPack,   ObjectKind::kMetaPack,
    ObjectKind::kIndexRun,   ObjectKind::kSnapshot,   ObjectKind::kLease,
    ObjectKind::kGeneration, ObjectKind::kDamageMark, ObjectKind::kHold,
    ObjectKind::kTagChange,  ObjectKind::kKeyEpoch,   ObjectKind::kParity,
    ObjectKind::kParityWish};

bool is_named_by_hash(ObjectKind kind) {
  return std::ranges::find(kNamedByHash, kind) != kNamedByHash.end();
}

bool is_note(ObjectKind kind) {
  return kind == ObjectKind::kHold || kind == ObjectKind::kTagChange;
}

// What a reader refuses as too large (docs/format.md section 9), with room for headers and tags.
std::uint64_t size_max(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kDataPack:
    case ObjectKind::kMetaPack:
      return repo::kPackMax;
    case ObjectKind::kIndexRun:
      return (4ULL << 30) + (64ULL << 20);
    case ObjectKind::kSnapshot:
      return repo::kFrameMax + 4096;
    case ObjectKind::kParity:
      return 2 * repo::kParityPayloadMax;
    default:
      return repo::kPlainObjectMax;
  }
}

}  // namespace

// Kind by kind: a folder of a local repository may be a link, and only the folder that a listing
// starts from is followed.
Result<std::vector<StoredObject>> list_objects(backend::Backend& store) {
  std::vector<StoredObject> objects;
  const auto config = store.head("config");
  if (config) {
    objects.push_back(
        {.kind = ObjectKind::kConfig, .name = "config", .size_bytes = config->size_bytes});
  } else if (config.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(config.error().clone());
  }
  for (const ObjectKind kind : kInFolders) {
    TRY(store.list(repo::name_prefix(kind), [&](const backend::ObjectInfo& info) -> Result<void> {
      if (repo::is_object_name(kind, info.name)) {
        objects.push_back({.kind = kind, .name = info.name, .size_bytes = info.size_bytes});
      }
      return {};
    }));
  }
  std::ranges::sort(objects, {}, &StoredObject::name);
  return objects;
}

// What a name and the first bytes of an object say about each other.
static Result<void> check_kind(const StoredObject& object, ByteView start) {
  const repo::Header header = TRY(repo::decode_header(start));
  if (header.kind == object.kind) return {};
  return fail(ErrorCode::kCorruption, fmt::format("it is a {}", repo::to_string(header.kind)));
}

static Result<void> check_name(const repo::ObjectId& named, const repo::ObjectId& is) {
  if (is == named) return {};
  return fail(ErrorCode::kCorruption, "its bytes do not match its name");
}

Result<Bytes> read_verified(backend::Backend& store, const StoredObject& object) {
  Bytes stored = TRY(repo::get_object(store, object.name, size_max(object.kind)));
  if (is_note(object.kind)) {
    const auto note = TRY(repo::parse_note_name(object.kind, object.name));
    TRY(check_name(note.bytes, repo::id_of(stored)));
    TRY(check_kind(object, stored));
    return stored;
  }
  if (!is_named_by_hash(object.kind)) {
    TRY(repo::decode_plain_object(object.kind, stored));
    return stored;
  }
  const auto named = TRY(repo::parse_object_name(object.kind, object.name));
  if (stored.empty()) return fail(ErrorCode::kCorruption, "the object is empty");
  TRY(check_name(named, repo::id_of(stored)));
  TRY(check_kind(object, stored));
  return stored;
}

Result<void> verify_stored(backend::Backend& store, const StoredObject& object) {
  if (!is_named_by_hash(object.kind) || object.size_bytes <= kPieceBytes) {
    TRY(read_verified(store, object));
    return {};
  }
  if (object.size_bytes > size_max(object.kind))
    return fail(ErrorCode::kCorruption, "it is too large");
  const PageBuffer piece(kPieceBytes);
  crypto::Blake3Stream hash;
  Bytes start;
  for (std::uint64_t at = 0; at < object.size_bytes; at += kPieceBytes) {
    const MutableByteView bytes = piece.bytes().first(
        static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, object.size_bytes - at)));
    TRY(store.get_range(object.name, at, bytes));
    hash.update(bytes);
    if (at == 0) start = to_owned(bytes.first(repo::kHeaderSize));
  }
  const auto named = TRY(repo::parse_object_name(object.kind, object.name));
  TRY(check_name(named, repo::ObjectId{hash.finish().bytes}));
  return check_kind(object, start);
}

Result<bool> for_each_parallel(std::size_t count, std::size_t threads,
                               const std::function<bool()>& stop_early,
                               const std::function<Result<void>(std::size_t)>& each) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stopped{false};
  Mutex mutex;
  std::optional<Error> failure;
  const auto work = [&] {
    while (!stopped) {
      const std::size_t at = next.fetch_add(1);
      if (at >= count) return;
      if (stop_early()) {
        stopped = true;
        return;
      }
      auto done = each(at);
      if (done) continue;
      const MutexLock lock(mutex);
      if (!failure) failure = std::move(done).error();
      stopped = true;
    }
  };
  {
    const std::size_t wanted =
        threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min(wanted, count); ++i) others.emplace_back(work);
    work();
  }
  if (failure) return std::unexpected(std::move(*failure));
  return !stopped;
}

}  // namespace backstay::engine::check_stages
