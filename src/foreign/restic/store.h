// The files of a restic repository in a folder, opened with its password: formats 1 and 2 as
// restic's own design page describes them.
//
// A file of keys/, snapshots/, index/ and data/ is named by the SHA-256 of its bytes. All but keys
// are sealed with the master key, which the password opens in one of the key files. Nothing is
// written, and no lock is taken: a restic that prunes meanwhile makes files vanish, which is said.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "crypto/aes_poly1305.h"
#include "foreign/restic/id.h"
#include "io/file.h"

namespace backstay::foreign::restic {

class Store {
 public:
  // no_repository when the folder holds none, wrong_key when no key file opens with the password,
  // unsupported for a version that is not 1 or 2.
  static Result<std::unique_ptr<Store>> open(const std::string& folder, std::string_view password,
                                             const std::stop_token& stop);

  [[nodiscard]] const Id& repository_id() const { return repository_id_; }
  // Names in "snapshots" or "index", ascending. Other files are passed over.
  Result<std::vector<Id>> list(const std::string& kind) const;
  // The JSON of a file in "snapshots" or "index". corruption when its bytes do not match its name.
  Result<Bytes> read(const std::string& kind, const Id& id) const;
  // A sealed piece of a pack, opened: of `length` bytes there from `offset` on. Thread-safe.
  Result<void> read_piece(const Id& pack, std::uint64_t offset, Bytes& sealed, Bytes& plain) const;

 private:
  explicit Store(std::string folder) : folder_(std::move(folder)) {}
  Result<void> open_key(std::string_view password, const std::stop_token& stop);
  Result<void> read_config();
  Result<std::shared_ptr<const io::Fd>> open_pack(const Id& pack) const EXCLUDES(mutex_);
  Result<Bytes> unsealed(ByteView sealed) const;

  const std::string folder_;
  std::optional<crypto::AesPoly1305> key_;
  Id repository_id_;

  // The last packs that were read, so that the system sees that they are read in order.
  mutable Mutex mutex_;
  mutable std::vector<std::pair<Id, std::shared_ptr<const io::Fd>>> open_ GUARDED_BY(mutex_);
};

// ---- the pieces of it, for tests
struct KeyFile {
  std::uint64_t n = 0;
  std::uint32_t r = 0;
  std::uint32_t p = 0;
  Bytes salt;
  Bytes data;  // the sealed master key
};
Result<KeyFile> parse_key_file(std::string_view text);
// The 64 bytes of the master key.
Result<Bytes> parse_master_key(std::string_view text);
struct Config {
  std::uint64_t version = 0;
  Id id;
};
Result<Config> parse_config(std::string_view text);
// What stands in a file of format 2 before its JSON: nothing, or a byte and a zstd frame.
Result<Bytes> unpacked(Bytes plain);

}  // namespace backstay::foreign::restic
