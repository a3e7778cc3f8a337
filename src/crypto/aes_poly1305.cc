#include "crypto/aes_poly1305.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "base/try.h"
#include "crypto/secret.h"

namespace backstay::crypto {

namespace {

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// Counter mode and single blocks: as many bytes come out as go in.
Result<void> run_cipher(const EVP_CIPHER* cipher, const std::uint8_t* key, const std::uint8_t* iv,
                        ByteView in, MutableByteView out) {
  if (in.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    return fail(ErrorCode::kInvalidArgument, "more bytes than are sealed at once");
  const std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext> context(EVP_CIPHER_CTX_new());
  int done = 0;
  const bool good =
      context != nullptr && EVP_EncryptInit_ex2(context.get(), cipher, key, iv, nullptr) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_EncryptUpdate(context.get(), out.data(), &done, in.data(), static_cast<int>(in.size())) ==
          1 &&
      static_cast<std::size_t>(done) == in.size();
  return good ? Result<void>{} : fail(ErrorCode::kInternal, "libcrypto cannot run AES");
}

}  // namespace

AesPoly1305::~AesPoly1305() {
  wipe(key_);
}

Result<AesPoly1305> AesPoly1305::from_key(ByteView key) {
  if (key.size() != kKeySize) return fail(ErrorCode::kInvalidArgument, "a key has 64 bytes");
  AesPoly1305 made;
  std::ranges::copy(key, made.key_.begin());
  return made;
}

// The one-time key of Poly1305 is r, then the nonce encrypted with k. The bits of r that must be
// zero are cleared by the library.
Result<std::array<std::uint8_t, 16>> AesPoly1305::tag_of(ByteView nonce,
                                                         ByteView ciphertext) const {
  std::array<std::uint8_t, crypto_onetimeauth_poly1305_KEYBYTES> once{};
  std::copy_n(key_.data() + 48, 16, once.data());
  TRY(run_cipher(EVP_aes_128_ecb(), key_.data() + 32, nullptr, nonce,
                 MutableByteView(once).subspan(16)));
  std::array<std::uint8_t, 16> tag{};
  crypto_onetimeauth_poly1305(tag.data(), ciphertext.data(), ciphertext.size(), once.data());
  wipe(once);
  return tag;
}

Result<void> AesPoly1305::open(ByteView sealed, MutableByteView out) const {
  if (sealed.size() < kOverhead || out.size() != sealed.size() - kOverhead)
    return fail(ErrorCode::kCorruption, "it is too short to be sealed");
  const ByteView nonce = sealed.first(kNonceSize);
  const ByteView ciphertext = sealed.subspan(kNonceSize, out.size());
  const auto tag = TRY(tag_of(nonce, ciphertext));
  if (sodium_memcmp(tag.data(), sealed.last(tag.size()).data(), tag.size()) != 0)
    return fail(ErrorCode::kCorruption,
                "its seal does not match: it was changed, or the key is "
                "another");
  if (out.empty()) return {};
  return run_cipher(EVP_aes_256_ctr(), key_.data(), nonce.data(), ciphertext, out);
}

Result<void> AesPoly1305::seal(ByteView nonce, ByteView plain, MutableByteView sealed) const {
  if (nonce.size() != kNonceSize || sealed.size() != plain.size() + kOverhead)
    return fail(ErrorCode::kInvalidArgument, "lengths do not fit");
  std::ranges::copy(nonce, sealed.begin());
  const MutableByteView ciphertext = sealed.subspan(kNonceSize, plain.size());
  if (!plain.empty())
    TRY(run_cipher(EVP_aes_256_ctr(), key_.data(), nonce.data(), plain, ciphertext));
  const auto tag = TRY(tag_of(nonce, ciphertext));
  std::ranges::copy(tag, sealed.end() - 16);
  return {};
}

}  // namespace backstay::crypto
