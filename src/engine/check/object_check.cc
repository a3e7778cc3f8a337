#include "engine/check/object_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "base/try.h"

namespace backstay::engine::check_stages {

namespace {

using repo::ObjectKind;

constexpr std::array kNamedByHash{ObjectKind::kKeySlot, ObjectKind::kDataPack,
                                  ObjectKind::kMetaPack, ObjectKind::kIndexRun,
                                  ObjectKind::kSnapshot};
constexpr std::uint64_t kObjectMax = 5ULL << 30;

bool is_named_by_hash(ObjectKind kind) {
  return std::ranges::find(kNamedByHash, kind) != kNamedByHash.end();
}

std::optional<ObjectKind> kind_of_name(const std::string& name) {
  if (name == "config") return ObjectKind::kConfig;
  for (const ObjectKind kind : kNamedByHash) {
    if (repo::parse_object_name(kind, name)) return kind;
  }
  for (const ObjectKind kind : {ObjectKind::kGeneration, ObjectKind::kLease}) {
    if (name.starts_with(repo::name_prefix(kind))) return kind;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<StoredObject>> list_objects(backend::Backend& store) {
  std::vector<StoredObject> objects;
  TRY(store.list("", [&](const backend::ObjectInfo& info) -> Result<void> {
    if (const auto kind = kind_of_name(info.name)) {
      objects.push_back({.kind = *kind, .name = info.name, .size_bytes = info.size_bytes});
    }
    return {};
  }));
  std::ranges::sort(objects, {}, &StoredObject::name);
  return objects;
}

Result<Bytes> read_verified(backend::Backend& store, const StoredObject& object) {
  Bytes stored = TRY(store.get(object.name, kObjectMax));
  if (!is_named_by_hash(object.kind)) {
    TRY(repo::decode_plain_object(object.kind, stored));
    return stored;
  }
  const auto named = TRY(repo::parse_object_name(object.kind, object.name));
  if (repo::id_of(stored) != named) {
    return fail(ErrorCode::kCorruption,
                stored.empty() ? "the object is empty" : "its bytes do not match its name");
  }
  const repo::Header header = TRY(repo::decode_header(stored));
  if (header.kind != object.kind) {
    return fail(ErrorCode::kCorruption, fmt::format("it is a {}", repo::to_string(header.kind)));
  }
  return stored;
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
      if (stop_early()) {
        stopped = true;
        return;
      }
      const std::size_t at = next.fetch_add(1);
      if (at >= count) return;
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
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < std::min(wanted, count); ++i) workers.emplace_back(work);
  }
  if (failure) return std::unexpected(std::move(*failure));
  return !stopped;
}

}  // namespace backstay::engine::check_stages
