#include "crypto/sealed_box.h"

#include <sodium/core.h>
#include <sodium/crypto_scalarmult_curve25519.h>

#include <array>

#include "base/assert.h"
#include "base/try.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

namespace backstay::crypto {

static_assert(PublicKey::kSize == crypto_scalarmult_curve25519_BYTES);
static_assert(Secret::kSize == crypto_scalarmult_curve25519_SCALARBYTES);
static_assert(kBoxOverhead == PublicKey::kSize + kTagSize);

namespace {

// The key is new for every box, so the nonce may be the same in all.
constexpr std::array<std::uint8_t, kNonceSize> kBoxNonce{};

// Nothing for points of small order, whose secret is known to everybody.
Result<Secret> box_key(const Secret& private_key, const PublicKey& other,
                       const PublicKey& ephemeral, const PublicKey& recipient) {
  ASSERT(sodium_init() >= 0);
  Secret shared;
  if (crypto_scalarmult_curve25519(shared.mutable_view().data(), private_key.view().data(),
                                   other.bytes.data()) != 0) {
    return fail(ErrorCode::kInvalidArgument, "a public key is not one that can be sealed to");
  }
  Bytes material = to_owned(shared.view());
  append(material, ephemeral.view());
  append(material, recipient.view());
  Secret key = derive_key("backstay v1 sealed box", material);
  wipe(material);
  return key;
}

}  // namespace

PublicKey public_key_of(const Secret& private_key) {
  ASSERT(sodium_init() >= 0);
  PublicKey key;
  ASSERT(crypto_scalarmult_curve25519_base(key.bytes.data(), private_key.view().data()) == 0);
  return key;
}

Result<Bytes> seal_box(const PublicKey& to, ByteView plain, Rng& rng) {
  const Secret private_key = Secret::random(rng);
  const PublicKey ephemeral = public_key_of(private_key);
  const Secret key = TRY(box_key(private_key, to, ephemeral, to));
  Bytes sealed = to_owned(ephemeral.view());
  sealed.resize(kBoxOverhead + plain.size());
  TRY(Aead().seal(Suite::kChaCha20Poly1305, key, kBoxNonce, plain,
                  MutableByteView(sealed).subspan(PublicKey::kSize)));
  return sealed;
}

Result<Bytes> open_box(const Secret& private_key, ByteView sealed) {
  if (sealed.size() < kBoxOverhead) return fail(ErrorCode::kCorruption, "a box is cut short");
  const PublicKey ephemeral = TRY(PublicKey::from_bytes(sealed.first(PublicKey::kSize)));
  const auto key = box_key(private_key, ephemeral, ephemeral, public_key_of(private_key));
  if (!key) return fail(ErrorCode::kCorruption, "a box has no usable public key");
  Bytes plain(sealed.size() - kBoxOverhead);
  TRY_DOING("opening a box", Aead().open(Suite::kChaCha20Poly1305, *key, kBoxNonce,
                                         sealed.subspan(PublicKey::kSize), plain));
  return plain;
}

}  // namespace backstay::crypto
