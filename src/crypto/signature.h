// Ed25519 (RFC 8032): who has the seed signs, who has the verifying key sees who did.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "crypto/secret.h"

namespace backstay::crypto {

using VerifyingKey = StrongId<struct VerifyingKeyTag>;
inline constexpr std::size_t kSignatureSize = 64;
using Signature = std::array<std::uint8_t, kSignatureSize>;

[[nodiscard]] VerifyingKey verifying_key_of(const Secret& seed);
[[nodiscard]] Signature sign(const Secret& seed, ByteView message);
// False for a signature of any other length, too.
[[nodiscard]] bool is_signed_by(const VerifyingKey& key, ByteView message, ByteView signature);

}  // namespace backstay::crypto
