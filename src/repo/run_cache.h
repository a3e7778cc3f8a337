// Bodies of index runs, decrypted, in the local cache; each ends with a keyed BLAKE3 of what stands
// before, because a flipped bit there could make an unknown chunk look known.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/streamed_bytes.h"
#include "crypto/hash.h"
#include "repo/index_run.h"

namespace backstay::repo {

class RunCache {
 public:
  // An empty folder name: nothing is kept on disk.
  RunCache(std::string directory, const Keyring& keyring);

  // Nothing when it is not there or not whole (the file is then removed).
  std::optional<std::shared_ptr<const IndexRun>> load(const ObjectId& id) const;
  // Whether it may supersede others is found out here, and kept with it. Opens the body, from the
  // cache where there is one. Where none can be written, the body is in memory as a whole.
  Result<std::shared_ptr<const IndexRun>> keep(const ObjectId& id, const StreamedBytes& body,
                                               const RunSigner& signer) const;
  void forget(const ObjectId& id) const;
  // Removes the files of runs that are no longer live.
  void keep_only(const std::vector<std::shared_ptr<const IndexRun>>& runs) const;

 private:
  [[nodiscard]] std::string path_of(const ObjectId& id) const;
  [[nodiscard]] crypto::Secret seal_key(const ObjectId& id) const;
  // The pages of the file do not stay resident.
  [[nodiscard]] crypto::Digest seal_of(const ObjectId& id, ByteView body,
                                       const io::MappedFile& file) const;
  Result<void> write(const ObjectId& id, const StreamedBytes& body, const RunSigner& signer) const;

  std::string directory_;
  crypto::Secret key_;
};

}  // namespace backstay::repo
