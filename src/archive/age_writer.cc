#include "archive/age_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/base64.h"
#include "base/try.h"
#include "crypto/scrypt.h"
#include "crypto/sha256.h"

namespace backstay::archive {
namespace {

constexpr std::size_t kFileKeySize = 16;
constexpr std::size_t kSaltSize = 16;
constexpr std::uint32_t kWorkFactorMax = 22;

std::string unpadded_base64(ByteView bytes) {
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

// HKDF (RFC 5869) with SHA-256, for one block.
Result<crypto::Secret> derive(ByteView key, ByteView salt, std::string_view info) {
  static constexpr std::array<std::uint8_t, 32> kNoSalt{};
  const crypto::Sha256 extracted =
      crypto::hmac_sha256(salt.empty() ? ByteView(kNoSalt) : salt, key);
  Bytes last(as_bytes(info).begin(), as_bytes(info).end());
  last.push_back(1);
  return crypto::Secret::from_bytes(crypto::hmac_sha256(extracted, last));
}

// The stanza's body: the file key under a key from the passphrase.
Result<Bytes> wrapped(ByteView file_key, ByteView passphrase, ByteView salt,
                      std::uint32_t work_factor) {
  Bytes labelled(as_bytes("age-encryption.org/v1/scrypt").begin(),
                 as_bytes("age-encryption.org/v1/scrypt").end());
  append(labelled, salt);
  crypto::Secret wrap_key;
  TRY(crypto::scrypt(passphrase, labelled, {.n = std::uint64_t{1} << work_factor, .r = 8, .p = 1},
                     wrap_key.mutable_view()));
  static constexpr std::array<std::uint8_t, crypto::kNonceSize> kZeros{};
  Bytes body(file_key.size() + crypto::kTagSize);
  TRY(crypto::Aead().seal(crypto::Suite::kChaCha20Poly1305, wrap_key, kZeros, file_key, body));
  return body;
}

}  // namespace

Result<std::unique_ptr<AgeWriter>> AgeWriter::open(ByteView passphrase, Rng& rng, Write write,
                                                   std::uint32_t work_factor) {
  if (passphrase.empty()) return fail(ErrorCode::kInvalidArgument, "the passphrase is empty");
  if (work_factor == 0 || work_factor > kWorkFactorMax)
    return fail(ErrorCode::kInvalidArgument, "the work factor is not from 1 to 22");
  std::array<std::uint8_t, kFileKeySize> file_key{};
  std::array<std::uint8_t, kSaltSize> salt{};
  std::array<std::uint8_t, kSaltSize> nonce{};
  rng.fill(file_key);
  rng.fill(salt);
  rng.fill(nonce);
  const Bytes body = TRY(wrapped(file_key, passphrase, salt, work_factor));
  std::string header = fmt::format("age-encryption.org/v1\n-> scrypt {} {}\n{}\n---",
                                   unpadded_base64(salt), work_factor, unpadded_base64(body));
  const crypto::Secret header_key = TRY(derive(file_key, {}, "header"));
  header += fmt::format(" {}\n",
                        unpadded_base64(crypto::hmac_sha256(header_key.view(), as_bytes(header))));
  const crypto::Secret payload_key = TRY(derive(file_key, nonce, "payload"));
  crypto::wipe(file_key);
  TRY(write(as_bytes(header)));
  TRY(write(nonce));
  return std::unique_ptr<AgeWriter>(new AgeWriter(payload_key, std::move(write)));
}

Result<void> AgeWriter::write(ByteView bytes) {
  while (!bytes.empty()) {
    // A full chunk waits until it is known not to be the last one.
    if (plain_.size() == kChunk) TRY(seal(Last::kNo));
    const std::size_t taken = std::min(bytes.size(), kChunk - plain_.size());
    append(plain_, bytes.first(taken));
    bytes = bytes.subspan(taken);
  }
  return {};
}

Result<void> AgeWriter::finish() {
  return seal(Last::kYes);
}

Result<void> AgeWriter::seal(Last last) {
  // Eleven bytes of the chunk's number, the greatest first, and one that marks the last chunk.
  std::array<std::uint8_t, crypto::kNonceSize> nonce{};
  for (std::size_t i = 0; i < sizeof(chunks_); ++i)
    nonce[nonce.size() - 2 - i] = static_cast<std::uint8_t>(chunks_ >> (8 * i));
  nonce.back() = last == Last::kYes ? 1 : 0;
  ++chunks_;
  Bytes sealed(plain_.size() + crypto::kTagSize);
  TRY(aead_.seal(crypto::Suite::kChaCha20Poly1305, key_, nonce, plain_, sealed));
  plain_.clear();
  return write_(sealed);
}

}  // namespace backstay::archive
