#include "repo/run_signature.h"

#include <algorithm>

#include "repo/run_layout.h"

namespace backstay::repo {

Bytes run_message(const RepositoryId& repository, const crypto::Digest& body) {
  Bytes message = to_owned(as_bytes("backstay v1 index run"));
  append(message, repository.view());
  append(message, body.view());
  return message;
}

void RunConfirmation::take(ByteView piece) {
  if (taken_ == 0)
    signed_ = piece.size() >= kRunHeadSize && body_bytes_ >= kRunHeadSize + kRunSignatureSize &&
              load_le<std::uint32_t>(&piece[kRunSignedAt]) == 1;
  const std::uint64_t unsigned_end = signed_ ? body_bytes_ - kRunSignatureSize : 0;
  const std::uint64_t begin = taken_;
  taken_ += piece.size();
  if (!signed_) return;
  const std::uint64_t left = unsigned_end - std::min(begin, unsigned_end);
  const auto hashed = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left));
  hash_.update(piece.first(hashed));
  append(signature_, piece.subspan(hashed));
}

RunTrust RunConfirmation::verdict() const {
  if (!signed_ || taken_ != body_bytes_) return RunTrust::kAddsOnly;
  const Bytes message = run_message(signer_.repository, hash_.finish());
  return crypto::is_signed_by(signer_.key, message, signature_) ? RunTrust::kSupersedes
                                                                : RunTrust::kAddsOnly;
}

RunTrust trust_in(const RunSigner& signer, ByteView body) {
  RunConfirmation confirmation(signer, body.size());
  confirmation.take(body);
  return confirmation.verdict();
}

}  // namespace backstay::repo
