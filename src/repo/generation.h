// Collection generations (docs/format.md section 8.4).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "repo/keyring.h"
#include "repo/lease.h"
#include "repo/object.h"

namespace backstay::repo {

struct Generation {
  std::uint64_t number = 1;
  std::vector<ObjectId> condemned;
  Timestamp time;
  // Carried forward from generation to generation: leases that were ended, and the snapshots of
  // those that count all the same (docs/format.md section 8.3).
  std::vector<LeaseId> ended_leases;
  std::vector<ObjectId> kept_snapshots;
};
// All of them at once fit an object.
inline constexpr std::size_t kCondemnedMax = 16 * 1024;
inline constexpr std::size_t kEndedLeasesMax = 8 * 1024;
inline constexpr std::size_t kKeptSnapshotsMax = 8 * 1024;
// Numbers of objects; what has another one is not a generation.
inline constexpr std::uint64_t kGenerationMin = 2;
inline constexpr std::uint64_t kGenerationMax = std::uint64_t{1} << 62U;
// The record that is signed.
void encode_generation_body(const Generation& generation, Bytes& out);
Result<Generation> decode_generation_body(ByteView body);
// The whole object, signed by the newest epoch of the ring: who has no key that reads condemns
// nothing and ends no lease. wrong_key for a ring that is write-only.
Result<Bytes> encode_generation(const Generation& generation, const RepositoryId& repository,
                                const Keyring& keyring);
// corruption when no epoch of the ring signed it.
Result<Generation> decode_generation(ByteView stored, const RepositoryId& repository,
                                     const Keyring& keyring);

// What a collection has seen of leases that were ended.
struct EndedLeases {
  std::vector<LeaseId> ended;                           // listed before snapshots were
  std::vector<std::pair<ObjectId, LeaseId>> committed;  // snapshots that count, and their leases
  std::set<LeaseId> uncounted;  // those of snapshots that are there and do not count
};
// The object after the last of `known`, without packs. A lease that was named before gains no
// snapshots. Where there is no room for all, those that were named first are left out, but not
// while a snapshot is there that does not count because of them.
[[nodiscard]] Generation next_generation(const std::vector<Generation>& known,
                                         const EndedLeases& seen, Timestamp now);

// already_exists when the number is taken.
Result<void> create_generation(backend::Backend& store, const Generation& generation,
                               const RepositoryId& repository, const Keyring& keyring);
[[nodiscard]] std::string generation_name(std::uint64_t number);
Result<void> remove_generation(backend::Backend& store, std::uint64_t number);
// All of them, ascending. The first generation has no object: collections take numbers from 2.
// Objects never change, so that those in `known` are not read again.
struct GenerationsRead {
  std::vector<Generation> generations;
  // That are damaged, or that no key here signed.
  std::vector<std::pair<std::uint64_t, Error>> damaged = {};
  std::optional<Error> trouble;  // of the first of those
};
Result<GenerationsRead> read_generations(backend::Backend& store, const RepositoryId& repository,
                                         const Keyring& keyring,
                                         const std::vector<Generation>& known = {});

// The word of generation objects for those that have no key: it is not known who said it, so that
// nothing is removed because of it. corruption when one of them is damaged.
struct CondemnedPacks {
  std::uint64_t highest = 1;  // number of a generation that there is
  std::unordered_set<ObjectId> packs;
};
Result<CondemnedPacks> read_condemned(backend::Backend& store, const RepositoryId& repository);

}  // namespace backstay::repo
