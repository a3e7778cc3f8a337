// Which of the packs that the index names are there.
#pragma once

#include <stop_token>
#include <vector>

#include "engine/check/damage_log.h"
#include "engine/check/object_check.h"
#include "engine/check/pack_damage.h"
#include "repo/repository.h"

namespace backstay::engine::check_stages {

// Packs that the index names against those that were listed; what is not listed is asked for by its
// name. Adds to `states` what is lost, and to the log why. Fails when the store cannot be asked.
Result<void> check_presence(backend::Backend& store, const std::vector<repo::Index::Pack>& packs,
                            const std::vector<StoredObject>& objects, PackStates& states,
                            DamageLog& log, const std::stop_token& stop);

// Condemned packs may go at any time; who needs one that is gone misses it.
void note_condemned(const repo::Index& index, const std::vector<StoredObject>& objects,
                    PackStates& states);

}  // namespace backstay::engine::check_stages
