// What a check looks at besides packs, trees and snapshots.
#pragma once

#include <stop_token>
#include <vector>

#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "engine/check/object_check.h"

namespace backstay::engine::check_stages {

// Adds what is damaged to the log. A failure means that the store could not be asked.
Result<void> judge(const Result<void>& read, const StoredObject& object, DamageLog& log);

// All but packs and snapshots: they are few.
Result<void> check_small_objects(backend::Backend& store, const std::vector<StoredObject>& objects,
                                 DamageLog& log, CheckReport& report, const std::stop_token& stop);

// What only a key tells: whether holds and changes of tags open, and are about the snapshots that
// their names say; whether every generation was made by who may make it; and whether a key epoch
// was begun twice.
Result<void> check_with_key(repo::Repository& repository, const std::vector<StoredObject>& objects,
                            DamageLog& log);

}  // namespace backstay::engine::check_stages
