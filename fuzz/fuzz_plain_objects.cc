// Hostile config, key slot, lease, generation and key epoch objects are errors, or values that are
// written the same again. The first byte chooses the decoder; the checksum is mended, so that
// mutations reach what is behind it.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "crypto/hash.h"
#include "repo/config.h"
#include "repo/generation.h"
#include "repo/key_epoch.h"
#include "repo/key_slot.h"
#include "repo/lease.h"

namespace {

using namespace backstay;

Bytes with_checksum(ByteView body) {
  Bytes object = to_owned(body);
  append(object, crypto::blake3(object).view());
  return object;
}

template <typename Value>
void expect_clean(const Result<Value>& decoded) {
  if (decoded) return;
  const ErrorCode code = decoded.error().code();
  ASSERT(code == ErrorCode::kCorruption || code == ErrorCode::kUnsupported);
}

void decode_config_object(ByteView object) {
  const auto config = repo::decode_config(object);
  expect_clean(config);
  if (config) ASSERT(repo::decode_config(repo::encode_config(*config)).has_value());
}

void decode_lease_object(ByteView object, const repo::RepositoryId& repository) {
  const auto lease = repo::decode_lease(object, repository);
  expect_clean(lease);
  if (lease)
    ASSERT(repo::decode_lease(repo::encode_lease(*lease, repository), repository).has_value());
}

// What is behind the signature.
void decode_generation(ByteView body) {
  const auto generation = repo::decode_generation_body(body);
  expect_clean(generation);
  if (!generation) return;
  Bytes written;
  repo::encode_generation_body(*generation, written);
  ASSERT(repo::decode_generation_body(written).has_value());
}

// What is behind the signature.
void decode_epoch(ByteView body) {
  const auto start = repo::decode_epoch_body(body);
  expect_clean(start);
  if (!start) return;
  Bytes written;
  repo::encode_epoch_body(*start, written);
  ASSERT(repo::decode_epoch_body(written).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes object = with_checksum({data + 1, size - 1});
  repo::RepositoryId repository;
  if (object.size() >= repo::kHeaderSize) {
    repository = repo::RepositoryId::from_bytes(ByteView(object).subspan(16, 16)).value();
  }
  switch (data[0] % 5) {
    case 0:
      decode_config_object(object);
      break;
    // Only what is read before the passphrase is tried: a key derivation a run would be all that it
    // does.
    case 1:
      expect_clean(repo::read_slot_info(object));
      break;
    case 2:
      decode_lease_object(object, repository);
      break;
    case 3:
      decode_generation({data + 1, size - 1});
      break;
    default:
      decode_epoch({data + 1, size - 1});
      break;
  }
  return 0;
}
