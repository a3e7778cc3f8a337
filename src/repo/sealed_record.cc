#include "repo/sealed_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::repo {

static Nonce nonce_for(const Header& header) {
  const Purpose purpose =
      header.kind == ObjectKind::kSnapshot ? Purpose::kSnapshot : Purpose::kNote;
  return {prefix_size(header), purpose};
}

Result<Bytes> seal_record(ObjectKind kind, ByteView record, const Keyring& keyring,
                          const Config& config, Rng& rng) {
  Keyring::NewObject object = TRY(keyring.new_object(kind, config, rng));
  Bytes stored = std::move(object.prefix);
  const std::size_t at = stored.size();
  stored.resize(at + record.size() + crypto::kTagSize);
  const Nonce nonce = nonce_for(object.header);
  crypto::Aead aead;
  TRY(aead.seal(object.header.suite, object.key, nonce.view(), record,
                MutableByteView(stored).subspan(at)));
  // Not by way of the keyring: a write-only one could not open it.
  Bytes again(record.size());
  const auto opened =
      aead.open(object.header.suite, object.key, nonce.view(), ByteView(stored).subspan(at), again);
  if (!opened || !std::ranges::equal(again, record)) {
    return std::unexpected(
        Error(ErrorCode::kInternal,
              fmt::format("a sealed {} does not open to what went in", to_string(kind)))
            .with_hint("Test this machine's memory: faulty memory is the usual cause."));
  }
  return stored;
}

Result<Bytes> open_record(ObjectKind kind, ByteView stored, const Keyring& keyring,
                          const RepositoryId& repository) {
  const Header header = TRY(decode_header(stored, kind, repository));
  const crypto::Secret key = TRY(keyring.object_key(stored));
  const ByteView sealed = stored.subspan(prefix_size(header));
  if (sealed.size() < crypto::kTagSize)
    return fail(ErrorCode::kCorruption, fmt::format("the {} is cut short", to_string(kind)));
  Bytes record(sealed.size() - crypto::kTagSize);
  TRY(crypto::Aead().open(header.suite, key, nonce_for(header).view(), sealed, record));
  return record;
}

}  // namespace backstay::repo
