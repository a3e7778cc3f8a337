// What this machine knows of the repository at a place since it was there last: which one it is,
// whether it is encrypted, and by which keys its epochs sign. A small file in the cache; without it
// whatever is there is taken for what it says it is, as the first time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "crypto/signature.h"
#include "repo/keyring.h"
#include "repo/object.h"

namespace backstay::cli {

struct KnownRepository {
  repo::RepositoryId id;
  bool encrypted = false;
  std::map<std::uint32_t, crypto::VerifyingKey> epochs = {};  // by their numbers
  friend bool operator==(const KnownRepository&, const KnownRepository&) = default;
};
// With the epochs of the ring.
[[nodiscard]] KnownRepository known_with(const repo::RepositoryId& id, bool encrypted,
                                         const repo::Keyring& keyring);

void encode_known(const KnownRepository& known, Bytes& out);
Result<KnownRepository> decode_known(ByteView stored);

// Why what is there now is not what was known; nothing where it is. Epochs are compared as far as
// both have them; `now` has none before the repository is open.
[[nodiscard]] std::optional<Error> difference(const KnownRepository& known,
                                              const KnownRepository& now);

// `cache` is the folder of all caches; nothing is known, or kept, when it is empty. Files that are
// damaged count as none.
[[nodiscard]] std::optional<KnownRepository> read_known(const std::string& cache,
                                                        const std::string& place);
// Writes nothing where nothing changed.
Result<void> keep_known(const std::string& cache, const std::string& place,
                        const KnownRepository& now);

}  // namespace backstay::cli
