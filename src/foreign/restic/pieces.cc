#include "foreign/restic/pieces.h"

#include <utility>

#include "base/try.h"
#include "crypto/sha256.h"

namespace backstay::foreign::restic {

Result<Bytes> Pieces::unpacked(ByteView packed, std::size_t size) const {
  std::unique_ptr<compress::ZstdCodec> codec;
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      codec = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (codec == nullptr) codec = std::make_unique<compress::ZstdCodec>();
  Bytes plain(size);
  TRY(codec->decompress(packed, plain));
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(codec));
  return plain;
}

Result<Bytes> Pieces::read(const Id& id, std::uint32_t size_max) const {
  const std::optional<PieceLocation> at = index_.find(id);
  if (!at) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, "piece " + id.short_hex() + " is in no index of restic's")
            .with_hint(kIndexHint));
  }
  const auto read_it = [&]() -> Result<Bytes> {
    if (at->plain_bytes > size_max || at->sealed_bytes > size_max + (std::uint64_t{1} << 20))
      return fail(ErrorCode::kCorruption, "it is larger than restic makes them");
    Bytes sealed(at->sealed_bytes);
    Bytes plain;
    TRY(store_.read_piece(at->pack, at->offset, sealed, plain));
    if (at->compressed) plain = TRY(unpacked(plain, at->plain_bytes));
    if (crypto::sha256(plain) != id.bytes)
      return fail(ErrorCode::kCorruption, "its bytes do not match its id");
    return plain;
  };
  return TRY_DOING("reading piece " + id.short_hex() + " in pack " + at->pack.short_hex(),
                   read_it());
}

}  // namespace backstay::foreign::restic
