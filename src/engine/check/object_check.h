// Objects by themselves: is each one there, of the right size, and are its bytes what its name
// says?
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "repo/object.h"

namespace backstay::engine::check_stages {

struct StoredObject {
  repo::ObjectKind kind = repo::ObjectKind::kConfig;
  std::string name;
  std::uint64_t size_bytes = 0;
};
// Everything in the store that has the name of an object, sorted by name.
Result<std::vector<StoredObject>> list_objects(backend::Backend& store);

// Reads the whole object and checks it without a key: its BLAKE3 against its name, or the trailing
// checksum of plain objects. corruption when it does not fit; other failures when it could not be
// read.
Result<Bytes> read_verified(backend::Backend& store, const StoredObject& object);
// The same without the bytes: a large object is read in pieces.
Result<void> verify_stored(backend::Backend& store, const StoredObject& object);

// Runs `each` for every object on `threads` threads until all are done, the time is over or the
// activity is stopped. A failure of `each` ends the run. True when all were done.
Result<bool> for_each_parallel(std::size_t count, std::size_t threads,
                               const std::function<bool()>& stop_early,
                               const std::function<Result<void>(std::size_t)>& each);

}  // namespace backstay::engine::check_stages
