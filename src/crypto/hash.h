// BLAKE3-256 (https://github.com/BLAKE3-team/BLAKE3-specs): names of objects, chunk ids, key
// derivation.
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "crypto/secret.h"

namespace backstay::crypto {

using Digest = StrongId<struct DigestTag>;

[[nodiscard]] Digest blake3(ByteView input);
[[nodiscard]] Digest blake3_keyed(const Secret& key, ByteView input);

// BLAKE3 derive_key: `context` is a hard-coded, unique sentence (docs/format.md section 4).
[[nodiscard]] Secret derive_key(std::string_view context, ByteView material);

// As many keyed output bytes as `out` holds (BLAKE3 extended output).
void blake3_keyed_xof(const Secret& key, ByteView input, MutableByteView out);

// For input that arrives in pieces. Not thread-safe.
class Blake3Stream {
 public:
  Blake3Stream();
  explicit Blake3Stream(const Secret& key);  // gives what blake3_keyed() gives
  ~Blake3Stream();
  Blake3Stream(const Blake3Stream&) = delete;
  Blake3Stream& operator=(const Blake3Stream&) = delete;
  void update(ByteView input);
  [[nodiscard]] Digest finish() const;
  // Begins anew, with the same key.
  void restart();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backstay::crypto
