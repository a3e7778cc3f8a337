#include "crypto/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/assert.h"

namespace backstay::crypto {

struct Sha256Stream::State {
  EVP_MD_CTX* context = nullptr;
};

Sha256 sha256(ByteView input) {
  Sha256 digest{};
  SHA256(input.data(), input.size(), digest.data());
  return digest;
}

Sha256 hmac_sha256(ByteView key, ByteView message) {
  Sha256 digest{};
  const auto* const made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                message.data(), message.size(), digest.data(), nullptr);
  ASSERT(made != nullptr);
  return digest;
}

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  state_->context = EVP_MD_CTX_new();
  ASSERT(state_->context != nullptr);
  ASSERT(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}

Sha256Stream::~Sha256Stream() {
  EVP_MD_CTX_free(state_->context);
}

void Sha256Stream::update(ByteView input) {
  ASSERT(EVP_DigestUpdate(state_->context, input.data(), input.size()) == 1);
}

Sha256 Sha256Stream::finish() {
  Sha256 digest{};
  ASSERT(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1);
  return digest;
}

}  // namespace backstay::crypto
