#include "crypto/aead.h"

#include <blake3.h>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <cstring>

#include "base/assert.h"
#include "base/clock.h"
#include "base/try.h"

namespace backstay::crypto {

struct OpensslDelete {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// Looking a cipher up by name costs more than sealing a small frame, so both are kept.
struct OpensslCipher {
  std::unique_ptr<EVP_CIPHER, OpensslDelete> cipher;
  std::unique_ptr<EVP_CIPHER_CTX, OpensslDelete> context;
};

namespace {

using Tag = std::array<std::uint8_t, kTagSize>;

Result<void> load_cipher(OpensslCipher& slot, const char* name) {
  if (slot.context != nullptr) return {};
  slot.cipher.reset(EVP_CIPHER_fetch(nullptr, name, nullptr));
  if (slot.cipher == nullptr) {
    ERR_clear_error();
    return std::unexpected(
        Error(ErrorCode::kUnsupported, fmt::format("OpenSSL on this machine has no {}", name))
            .with_hint("Look at OpenSSL's configuration: its default provider must be active."));
  }
  slot.context.reset(EVP_CIPHER_CTX_new());
  if (slot.context == nullptr) return fail(ErrorCode::kNoSpace, "no memory for a cipher context");
  return {};
}

std::unexpected<Error> openssl_failed(const char* doing) {
  ERR_clear_error();
  return fail(ErrorCode::kInternal, fmt::format("OpenSSL failed while {}", doing));
}

// OpenSSL counts in int. Segments are far smaller (docs/format.md section 9).
Result<int> openssl_length(std::size_t size) {
  if (size > INT_MAX) return fail(ErrorCode::kInvalidArgument, "segment is longer than 2 GiB");
  return static_cast<int>(size);
}

Result<void> openssl_seal(OpensslCipher& slot, const Secret& key, ByteView nonce, ByteView plain,
                          MutableByteView out) {
  const int length = TRY(openssl_length(plain.size()));
  EVP_CIPHER_CTX* context = slot.context.get();
  std::uint8_t* tag = out.data() + plain.size();
  int done = 0;
  const bool sealed =
      EVP_EncryptInit_ex2(context, slot.cipher.get(), key.view().data(), nonce.data(), nullptr) ==
          1 &&
      (length == 0 || EVP_EncryptUpdate(context, out.data(), &done, plain.data(), length) == 1) &&
      EVP_EncryptFinal_ex(context, tag, &done) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1;
  if (!sealed) return openssl_failed("encrypting");
  return {};
}

Result<void> openssl_open(OpensslCipher& slot, const Secret& key, ByteView nonce, ByteView sealed,
                          MutableByteView out) {
  const int length = TRY(openssl_length(out.size()));
  EVP_CIPHER_CTX* context = slot.context.get();
  Tag tag;
  std::memcpy(tag.data(), sealed.data() + out.size(), kTagSize);
  int done = 0;
  const bool ready =
      EVP_DecryptInit_ex2(context, slot.cipher.get(), key.view().data(), nonce.data(), nullptr) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
      (length == 0 || EVP_DecryptUpdate(context, out.data(), &done, sealed.data(), length) == 1);
  if (!ready) return openssl_failed("decrypting");
  Tag no_more_output;
  if (EVP_DecryptFinal_ex(context, no_more_output.data(), &done) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kCorruption, "sealed bytes do not match their tag");
  }
  return {};
}

// Suite 0: the first 16 bytes of keyed(key, nonce || plaintext), docs/format.md section 4.3.
Tag plain_tag(const Secret& key, ByteView nonce, ByteView plain) {
  blake3_hasher state;
  blake3_hasher_init_keyed(&state, key.view().data());
  blake3_hasher_update(&state, nonce.data(), nonce.size());
  blake3_hasher_update(&state, plain.data(), plain.size());
  Tag tag;
  blake3_hasher_finalize(&state, tag.data(), tag.size());
  wipe({reinterpret_cast<std::uint8_t*>(&state), sizeof state});
  return tag;
}

void plain_seal(const Secret& key, ByteView nonce, ByteView plain, MutableByteView out) {
  const Tag tag = plain_tag(key, nonce, plain);
  if (!plain.empty()) std::memmove(out.data(), plain.data(), plain.size());
  std::memcpy(out.data() + plain.size(), tag.data(), kTagSize);
}

Result<void> plain_open(const Secret& key, ByteView nonce, ByteView sealed, MutableByteView out) {
  const ByteView plain = sealed.first(out.size());
  const Tag tag = plain_tag(key, nonce, plain);
  if (CRYPTO_memcmp(tag.data(), sealed.data() + plain.size(), kTagSize) != 0) {
    return fail(ErrorCode::kCorruption, "stored bytes do not match their tag");
  }
  if (!plain.empty()) std::memmove(out.data(), plain.data(), plain.size());
  return {};
}

}  // namespace

std::string_view to_string(Suite suite) {
  switch (suite) {
    case Suite::kPlain:
      return "none";
    case Suite::kAes256Gcm:
      return "aes-256-gcm";
    case Suite::kChaCha20Poly1305:
      return "chacha20-poly1305";
  }
  return "unknown";
}

Result<Suite> parse_suite(std::string_view name) {
  for (const Suite suite : {Suite::kPlain, Suite::kAes256Gcm, Suite::kChaCha20Poly1305}) {
    if (name == to_string(suite)) return suite;
  }
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("there is no cipher suite \"{}\"", name))
          .with_hint("Choose aes-256-gcm, chacha20-poly1305 or none."));
}

Result<Suite> suite_from_number(std::uint64_t number) {
  if (number <= static_cast<std::uint64_t>(Suite::kChaCha20Poly1305)) {
    return static_cast<Suite>(number);
  }
  return std::unexpected(
      Error(ErrorCode::kUnsupported, fmt::format("cipher suite {} is not known here", number))
          .with_hint("The repository may have been written by a newer Backstay: install that."));
}

struct Aead::State {
  OpensslCipher aes;
  OpensslCipher chacha;

  // The loaded cipher of a suite other than kPlain.
  Result<OpensslCipher*> cipher_of(Suite suite) {
    OpensslCipher& slot = suite == Suite::kAes256Gcm ? aes : chacha;
    TRY(load_cipher(slot, suite == Suite::kAes256Gcm ? "AES-256-GCM" : "ChaCha20-Poly1305"));
    return &slot;
  }
};

Aead::Aead() : state_(std::make_unique<State>()) {}
Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

Result<void> Aead::seal(Suite suite, const Secret& key, ByteView nonce, ByteView plain,
                        MutableByteView out) {
  ASSERT(nonce.size() == kNonceSize);
  ASSERT(out.size() == plain.size() + kTagSize);
  if (suite == Suite::kPlain) {
    plain_seal(key, nonce, plain, out);
    return {};
  }
  OpensslCipher* cipher = TRY(state_->cipher_of(suite));
  return openssl_seal(*cipher, key, nonce, plain, out);
}

Result<void> Aead::open(Suite suite, const Secret& key, ByteView nonce, ByteView sealed,
                        MutableByteView out) {
  ASSERT(nonce.size() == kNonceSize);
  if (sealed.size() < kTagSize) {
    return fail(ErrorCode::kCorruption, "sealed bytes are shorter than their tag");
  }
  ASSERT(out.size() == sealed.size() - kTagSize);
  if (suite == Suite::kPlain) return plain_open(key, nonce, sealed, out);
  OpensslCipher* cipher = TRY(state_->cipher_of(suite));
  Result<void> opened = openssl_open(*cipher, key, nonce, sealed, out);
  // Bytes that were deciphered but not authenticated must not be seen by anybody.
  if (!opened) wipe(out);
  return opened;
}

Suite fastest_suite() {
  constexpr int kRounds = 8;  // the best round counts: the first one loads, others get disturbed
  constexpr std::size_t kProbeBytes = 256 * 1024;
  const SystemClock clock;
  const Secret throw_away;
  const std::array<std::uint8_t, kNonceSize> nonce{};
  Bytes buffer(kProbeBytes + kTagSize);
  Aead aead;
  const auto best_of = [&](Suite suite) {
    auto best = std::chrono::steady_clock::duration::max();
    for (int round = 0; round < kRounds; ++round) {
      const auto start = clock.monotonic();
      if (!aead.seal(suite, throw_away, nonce, ByteView(buffer).first(kProbeBytes), buffer)) {
        return std::chrono::steady_clock::duration::max();
      }
      best = std::min(best, clock.monotonic() - start);
    }
    return best;
  };
  return best_of(Suite::kChaCha20Poly1305) < best_of(Suite::kAes256Gcm) ? Suite::kChaCha20Poly1305
                                                                        : Suite::kAes256Gcm;
}

}  // namespace backstay::crypto
