// What a store does, found out by doing it.
#pragma once

#include <cstdint>
#include <optional>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"

namespace backstay::backend {

struct ProbeReport {
  // Of several who created one name at the same moment, over two connections, one won every time.
  bool creates_once = false;
  // What is there stays when somebody creates it again.
  bool keeps_first = false;
  bool reads_ranges = false;
  // What was put just before is read over another connection, and what was removed is not.
  bool reads_at_once = false;
  // A list has what was put just before, and not what was removed just before, and the store is not
  // one of which it is known that it may be otherwise.
  bool lists_at_once = false;
  // Of several who replaced one object at the same moment, each if it is still the one that all of
  // them had seen, one won every time, and who came later with the old mark did not.
  Answer swaps = Answer::kUnknown;
  // What is removed or replaced stays as a version.
  Answer versions = Answer::kUnknown;
  // So many seconds the store's clock is before ours; nothing where it does not tell.
  std::optional<std::int64_t> clock_ahead_seconds;
  Capabilities says;  // what the store says of itself
};

// `one` and `other` are two openings of the same store. Objects are made below leases/, where also
// clients that may remove nothing else can remove them, and removed again. Fails where nothing can
// be created there.
Result<ProbeReport> probe(Backend& one, Backend& other, const Clock& clock, Rng& rng);

}  // namespace backstay::backend
