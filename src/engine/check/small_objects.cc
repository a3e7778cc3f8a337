#include "engine/check/small_objects.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "repo/snapshot_note.h"

namespace backstay::engine::check_stages {

using repo::ObjectKind;

Result<void> judge(const Result<void>& read, const StoredObject& object, DamageLog& log) {
  if (read || read.error().code() == ErrorCode::kNotFound) return {};  // removed after the listing
  if (!repo::is_damage(read.error().code())) return std::unexpected(read.error().clone());
  log.add(object.name, read.error().describe());
  return {};
}

Result<void> check_small_objects(backend::Backend& store, const std::vector<StoredObject>& objects,
                                 DamageLog& log, CheckReport& report, const std::stop_token& stop) {
  for (const StoredObject& object : objects) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const bool small =
        object.kind == ObjectKind::kConfig || object.kind == ObjectKind::kKeySlot ||
        object.kind == ObjectKind::kGeneration || object.kind == ObjectKind::kLease ||
        object.kind == ObjectKind::kIndexRun || object.kind == ObjectKind::kDamageMark ||
        object.kind == ObjectKind::kHold || object.kind == ObjectKind::kTagChange ||
        object.kind == ObjectKind::kKeyEpoch || object.kind == ObjectKind::kParityWish;
    if (!small) continue;
    const auto read = verify_stored(store, object);
    ++report.objects_verified;
    TRY(judge(read, object, log));
  }
  return {};
}

// An epoch that two objects begin: one of them is somebody's who should have no key.
static Result<void> check_epochs(const repo::Repository& repository, DamageLog& log) {
  for (const repo::ForkedEpoch& fork : TRY(repository.forked_key_epochs())) {
    for (const std::string& name : fork.objects)
      log.add(name, fmt::format("key epoch {} was begun twice, with different keys (a fork)",
                                fork.number));
  }
  return {};
}

Result<void> check_with_key(repo::Repository& repository, const std::vector<StoredObject>& objects,
                            DamageLog& log) {
  for (const ObjectKind kind : {ObjectKind::kHold, ObjectKind::kTagChange}) {
    for (const repo::ListedNote& note : TRY(repo::list_notes(repository.store(), kind))) {
      TRY(judge(repo::verify_note(repository, kind, note),
                {.kind = kind, .name = note.object, .size_bytes = 0}, log));
    }
  }
  TRY_DOING("looking at key epochs", check_epochs(repository, log));
  const auto& trouble = repository.generation_trouble();
  if (!trouble) return {};
  const std::string what = trouble->describe();
  const auto named = std::ranges::find_if(objects, [&](const StoredObject& object) {
    return object.kind == ObjectKind::kGeneration && what.find(object.name) != std::string::npos;
  });
  log.add(named == objects.end() ? std::string("generations/") : named->name, what);
  return {};
}

}  // namespace backstay::engine::check_stages
