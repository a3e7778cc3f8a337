// Who may take away what other index runs say (docs/format.md section 5.5): a run that supersedes
// others is signed, because every client can write runs, also one that cannot read.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/signature.h"
#include "repo/object.h"

namespace backstay::repo {

// Whether what a run supersedes counts.
enum class RunTrust : std::uint8_t { kAddsOnly, kSupersedes };

// Whose signature a run must have to supersede others.
struct RunSigner {
  crypto::VerifyingKey key;
  RepositoryId repository;
};

// What is signed, of all of the body that stands before the signature.
[[nodiscard]] Bytes run_message(const RepositoryId& repository, const crypto::Digest& body);

// Looks at a body as it goes by. One that is not signed costs nothing.
class RunConfirmation {
 public:
  RunConfirmation(const RunSigner& signer, std::uint64_t body_bytes)
      : signer_(signer), body_bytes_(body_bytes) {}
  // From front to back.
  void take(ByteView piece);
  // Once all went by.
  [[nodiscard]] RunTrust verdict() const;

 private:
  const RunSigner signer_;
  const std::uint64_t body_bytes_;
  std::uint64_t taken_ = 0;
  bool signed_ = false;
  crypto::Blake3Stream hash_;
  Bytes signature_;
};
// The same of a body that is in memory.
[[nodiscard]] RunTrust trust_in(const RunSigner& signer, ByteView body);

}  // namespace backstay::repo
