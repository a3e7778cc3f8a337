// Bytes encrypted with a passphrase so that others can open them: the format of age, version 1
// (https://age-encryption.org/v1, C2SP). "age -d" opens it, and so do its sisters in other
// languages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

namespace backstay::archive {

// For one thread at a time. What is there without finish() does not open as whole.
class AgeWriter {
 public:
  using Write = std::function<Result<void>(ByteView)>;
  // 2^16 times scrypt's work, 64 MiB of memory: a quarter of what age itself takes, because small
  // machines export, too. The header says how much, and age takes anything up to 2^22.
  static constexpr std::uint32_t kWorkFactor = 16;

  // Writes the header.
  static Result<std::unique_ptr<AgeWriter>> open(ByteView passphrase, Rng& rng, Write write,
                                                 std::uint32_t work_factor = kWorkFactor);

  Result<void> write(ByteView bytes);
  Result<void> finish();

 private:
  static constexpr std::size_t kChunk = 64 * 1024;
  enum class Last : std::uint8_t { kNo, kYes };

  AgeWriter(const crypto::Secret& payload_key, Write write)
      : key_(payload_key), write_(std::move(write)) {}
  Result<void> seal(Last last);

  const crypto::Secret key_;
  const Write write_;
  crypto::Aead aead_;
  Bytes plain_;  // of the chunk that is being filled
  std::uint64_t chunks_ = 0;
};

}  // namespace backstay::archive
