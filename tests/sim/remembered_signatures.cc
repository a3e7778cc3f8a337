// Ed25519 for simulations: the same answers, each worked out once.
//
// Most of what a schedule does again and again is to make the same pair of keys from the same seed
// and to verify the same few objects, by one actor after another; that took a third of the time.
// The linker sends calls of these two functions of libsodium here (--wrap, in CMakeLists.txt).
#include <sodium/crypto_sign_ed25519.h>

#include <array>
#include <cstring>
#include <map>

#include "base/bytes.h"
#include "crypto/hash.h"

// The names are the linker's.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
int __real_crypto_sign_ed25519_seed_keypair(unsigned char* public_key, unsigned char* secret_key,
                                            const unsigned char* seed);
int __real_crypto_sign_ed25519_verify_detached(const unsigned char* signature,
                                               const unsigned char* message,
                                               unsigned long long length,
                                               const unsigned char* public_key);
int __wrap_crypto_sign_ed25519_seed_keypair(unsigned char* public_key, unsigned char* secret_key,
                                            const unsigned char* seed);
int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char* signature,
                                               const unsigned char* message,
                                               unsigned long long length,
                                               const unsigned char* public_key);
}

namespace {

constexpr std::size_t kRememberedMax = 4096;  // then all is forgotten

struct KeyPair {
  std::array<unsigned char, crypto_sign_ed25519_PUBLICKEYBYTES> public_key;
  std::array<unsigned char, crypto_sign_ed25519_SECRETKEYBYTES> secret_key;
};
using Digest = std::array<std::uint8_t, 32>;

template <typename Value>
std::map<Digest, Value>& remembered() {
  static std::map<Digest, Value> values;
  if (values.size() > kRememberedMax) values.clear();
  return values;
}

}  // namespace

int __wrap_crypto_sign_ed25519_seed_keypair(unsigned char* public_key, unsigned char* secret_key,
                                            const unsigned char* seed) {
  Digest known{};
  std::memcpy(known.data(), seed, crypto_sign_ed25519_SEEDBYTES);
  const auto [at, fresh] = remembered<KeyPair>().try_emplace(known);
  KeyPair& pair = at->second;
  if (fresh) {
    __real_crypto_sign_ed25519_seed_keypair(pair.public_key.data(), pair.secret_key.data(), seed);
  }
  std::memcpy(public_key, pair.public_key.data(), pair.public_key.size());
  std::memcpy(secret_key, pair.secret_key.data(), pair.secret_key.size());
  return 0;
}

int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char* signature,
                                               const unsigned char* message,
                                               unsigned long long length,
                                               const unsigned char* public_key) {
  backstay::crypto::Blake3Stream hash;
  hash.update({public_key, crypto_sign_ed25519_PUBLICKEYBYTES});
  hash.update({signature, crypto_sign_ed25519_BYTES});
  hash.update({message, static_cast<std::size_t>(length)});
  const auto [at, fresh] = remembered<int>().try_emplace(hash.finish().bytes);
  if (fresh) {
    at->second = __real_crypto_sign_ed25519_verify_detached(signature, message, length, public_key);
  }
  return at->second;
}
// NOLINTEND(bugprone-reserved-identifier)
