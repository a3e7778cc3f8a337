#include "archive/age_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/base64.h"
#include "crypto/scrypt.h"
#include "crypto/sha256.h"

namespace backstay::archive {
namespace {

constexpr std::uint32_t kLittleWork = 2;

Bytes hkdf(ByteView key, ByteView salt, std::string_view info) {
  Bytes block(as_bytes(info).begin(), as_bytes(info).end());
  block.push_back(1);
  const crypto::Sha256 made = crypto::hmac_sha256(crypto::hmac_sha256(salt, key), block);
  return {made.begin(), made.end()};
}

Bytes padded(std::string text) {
  while (text.size() % 4 != 0) text += '=';
  return from_base64(text).value();
}

Bytes opened(ByteView key, ByteView nonce, ByteView sealed) {
  Bytes plain(sealed.size() - crypto::kTagSize);
  EXPECT_TRUE(crypto::Aead()
                  .open(crypto::Suite::kChaCha20Poly1305, crypto::Secret::from_bytes(key).value(),
                        nonce, sealed, plain)
                  .has_value());
  return plain;
}

Bytes encrypted(std::string_view passphrase, std::size_t size, std::size_t piece) {
  SeededRng rng(size);
  Bytes out;
  auto writer = AgeWriter::open(
      as_bytes(passphrase), rng,
      [&](ByteView bytes) -> Result<void> {
        append(out, bytes);
        return {};
      },
      kLittleWork);
  EXPECT_TRUE(writer.has_value());
  const Bytes plain(size, 'x');
  for (std::size_t at = 0; at < size; at += piece)
    EXPECT_TRUE((*writer)->write(ByteView(plain).subspan(at, std::min(piece, size - at))));
  EXPECT_TRUE((*writer)->finish().has_value());
  return out;
}

// Reads it as the specification says it, step by step.
Bytes decrypted(std::string_view passphrase, ByteView file) {
  const std::string_view text = as_text(file);
  const std::size_t end = text.find("\n---");
  const std::size_t line_end = text.find('\n', end + 1);
  std::array<std::string, 4> lines;
  std::size_t at = 0;
  for (std::string& line : lines) {
    const std::size_t next = text.find('\n', at);
    line = text.substr(at, next - at);
    at = next + 1;
  }
  EXPECT_EQ(lines[0], "age-encryption.org/v1");
  EXPECT_TRUE(lines[1].starts_with("-> scrypt ") && lines[1].ends_with(" 2")) << lines[1];
  Bytes salt(as_bytes("age-encryption.org/v1/scrypt").begin(),
             as_bytes("age-encryption.org/v1/scrypt").end());
  append(salt, padded(lines[1].substr(10, lines[1].size() - 12)));
  Bytes wrap_key(32);
  EXPECT_TRUE(
      crypto::scrypt(as_bytes(passphrase), salt, {.n = 4, .r = 8, .p = 1}, wrap_key).has_value());
  const Bytes zeros(crypto::kNonceSize);
  const Bytes file_key = opened(wrap_key, zeros, padded(lines[2]));
  EXPECT_EQ(file_key.size(), 16U);
  const crypto::Sha256 mac =
      crypto::hmac_sha256(hkdf(file_key, Bytes(32), "header"), as_bytes(text.substr(0, end + 4)));
  EXPECT_EQ(padded(lines[3].substr(4)), Bytes(mac.begin(), mac.end()));
  ByteView payload = file.subspan(line_end + 1);
  const Bytes key = hkdf(file_key, payload.first(16), "payload");
  payload = payload.subspan(16);
  Bytes plain;
  for (std::uint8_t number = 0; !payload.empty(); ++number) {
    const std::size_t size = std::min<std::size_t>(payload.size(), 64 * 1024 + 16);
    Bytes nonce(crypto::kNonceSize);
    nonce[10] = number;
    nonce[11] = size == payload.size() ? 1 : 0;
    append(plain, opened(key, nonce, payload.first(size)));
    payload = payload.subspan(size);
  }
  return plain;
}

TEST(AgeWriter, IsReadAsTheSpecificationSays) {
  for (const std::size_t size : {0U, 1U, 65'535U, 65'536U, 65'537U, 131'072U, 200'000U}) {
    for (const std::size_t piece : {1000U, 65'536U, 300'000U}) {
      const Bytes file = encrypted("correct horse", size, piece);
      EXPECT_EQ(decrypted("correct horse", file), Bytes(size, 'x')) << size << " by " << piece;
    }
  }
}

TEST(AgeWriter, TakesNoEmptyPassphrase) {
  SeededRng rng(1);
  const auto refused = AgeWriter::open(
      {}, rng, [](ByteView) -> Result<void> { return {}; }, kLittleWork);
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
}

TEST(AgeWriter, EndsWithTheFailureOfWhoTakesItsBytes) {
  SeededRng rng(1);
  std::size_t room = 300'000;
  auto writer = AgeWriter::open(
      as_bytes("x"), rng,
      [&](ByteView bytes) -> Result<void> {
        if (bytes.size() > room) return fail(ErrorCode::kNoSpace, "full");
        room -= bytes.size();
        return {};
      },
      kLittleWork);
  ASSERT_TRUE(writer.has_value());
  EXPECT_EQ((*writer)->write(Bytes(500'000)).error().code(), ErrorCode::kNoSpace);
}

}  // namespace
}  // namespace backstay::archive
