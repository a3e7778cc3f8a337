#include "repo/sealed_record.h"

#include <fmt/format.h>

#include "base/try.h"

namespace backstay::repo {

static Nonce nonce_for(ObjectKind kind) {
  return {kHeaderSize, kind == ObjectKind::kSnapshot ? Purpose::kSnapshot : Purpose::kNote};
}

Result<Bytes> seal_record(ObjectKind kind, ByteView record, const Keyring& keyring,
                          const Config& config, Rng& rng) {
  const Header header = keyring.header_of_new(kind, config, rng);
  Bytes stored(kHeaderSize + record.size() + crypto::kTagSize);
  encode_header(header, stored);
  const crypto::Secret key = TRY(keyring.object_key(stored));
  TRY(crypto::Aead().seal(header.suite, key, nonce_for(kind).view(), record,
                          MutableByteView(stored).subspan(kHeaderSize)));
  return stored;
}

Result<Bytes> open_record(ObjectKind kind, ByteView stored, const Keyring& keyring,
                          const RepositoryId& repository) {
  const Header header = TRY(decode_header(stored, kind, repository));
  const crypto::Secret key = TRY(keyring.object_key(stored));
  const ByteView sealed = stored.subspan(kHeaderSize);
  if (sealed.size() < crypto::kTagSize)
    return fail(ErrorCode::kCorruption, fmt::format("the {} is cut short", to_string(kind)));
  Bytes record(sealed.size() - crypto::kTagSize);
  TRY(crypto::Aead().open(header.suite, key, nonce_for(kind).view(), sealed, record));
  return record;
}

}  // namespace backstay::repo
