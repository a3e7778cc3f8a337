// The pieces of a restic repository by their ids: of files and of trees.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "compress/zstd_codec.h"
#include "foreign/restic/index.h"
#include "foreign/restic/store.h"

namespace backstay::foreign::restic {

// Thread-safe.
class Pieces {
 public:
  Pieces(const Store& store, const Index& index) : store_(store), index_(index) {}

  [[nodiscard]] std::optional<PieceLocation> find(const Id& id) const { return index_.find(id); }
  // Its plaintext, which was compared with its id. not_found when no index knows it; corruption
  // when it is damaged, or larger than `size_max`.
  Result<Bytes> read(const Id& id, std::uint32_t size_max) const EXCLUDES(mutex_);

 private:
  Result<Bytes> unpacked(ByteView packed, std::size_t size) const EXCLUDES(mutex_);

  const Store& store_;
  const Index& index_;
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<compress::ZstdCodec>> idle_ GUARDED_BY(mutex_);
};

inline constexpr const char* kIndexHint =
    "Run 'restic rebuild-index' (or 'restic repair index') and 'restic check' on that repository, "
    "and import again.";
inline constexpr std::uint32_t kFilePieceMax = 64U << 20;   // restic cuts at 8 MiB
inline constexpr std::uint32_t kTreePieceMax = 512U << 20;  // a folder with a million files has 400

}  // namespace backstay::foreign::restic
