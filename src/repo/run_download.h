// An index run on its way from the store.
#pragma once

#include <string>

#include "backend/backend.h"
#include "base/page_buffer.h"
#include "crypto/hash.h"
#include "repo/object.h"

namespace backstay::repo {

struct ListedRun {
  ObjectId id;
  std::uint64_t size_bytes = 0;
};

// A stored run that is read from front to back in pieces. Where the last byte is read, all bytes
// must be those that the name stands for; if they are not, nothing more is given. Who opens the run
// may start over.
class RunDownload {
 public:
  RunDownload(backend::Backend& store, const ListedRun& run)
      : store_(store), name_(object_name(ObjectKind::kIndexRun, run.id)), run_(run) {}

  Result<void> read(std::uint64_t offset, MutableByteView out);
  // Reads what was not read yet: corruption when the bytes are not those of the name.
  Result<void> read_to_the_end();

 private:
  Result<void> fill(std::uint64_t offset, std::size_t least);

  backend::Backend& store_;
  const std::string name_;
  const ListedRun run_;
  PageBuffer buffer_;
  ByteView window_;
  std::uint64_t window_begin_ = 0;
  crypto::Blake3Stream hash_;
  std::uint64_t hashed_ = 0;
  bool wrong_ = false;
};

}  // namespace backstay::repo
