// Objects as files on a server that speaks SFTP, laid out like those of LocalBackend: what one
// wrote the other reads.
#pragma once

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/sftp/files.h"
#include "backend/sftp/session_pool.h"
#include "base/mutex.h"
#include "base/rng.h"

namespace backstay::backend::sftp {

// What dead writers left behind is removed, or stays where nothing may be changed.
enum class Leftovers : std::uint8_t { kGo, kStay };

struct SftpOptions {
  std::string root;   // as the server takes it
  std::string place;  // for messages
  // Each waits a round trip for its next piece, so that a far line needs many: with four of them a
  // fifth of it was not used at 50 ms, with six two fifths at 200 ms. How many are used is measured
  // (TunedBackend).
  std::size_t connections_max = 12;
  Leftovers leftovers = Leftovers::kGo;
};

// put() writes a file ".tmp-..." in the root, has the server sync it where it can, and gives it its
// name by a hard link or by a rename that replaces nothing; so a name appears with all its bytes,
// and of two who create it one succeeds. A server that has neither is refused as a place to write
// to. The names themselves cannot be synced over SFTP: barrier() relies on the server's file system
// to bring them to the disk, and in order.
//
// Times are whole seconds of the server's clock. There is no retention, and that of a folder that
// LocalBackend locked is not seen. Append-only mode is the same file as there.
class SftpBackend final : public Backend {
 public:
  // `rng` outlives the backend. not_found where the root is no folder.
  static Result<std::unique_ptr<SftpBackend>> open(SftpOptions options,
                                                   SessionPool::Connect connect, Rng& rng);
  // Makes the root and the folders above where they are missing.
  static Result<std::unique_ptr<SftpBackend>> create(SftpOptions options,
                                                     SessionPool::Connect connect, Rng& rng);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override { return {}; }
  void expect_transfers() override { pool_.make_all(); }
  Result<void> adopt(std::string_view name) override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<void> set_append_only(AppendOnly mode) override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return options_.place; }

  // already_exists when the root holds something else than a repository (backend/open.h).
  Result<void> check_is_free();

 private:
  SftpBackend(SftpOptions options, SessionPool::Connect connect, Rng& rng)
      : options_(std::move(options)),
        pool_(std::move(connect), options_.connections_max),
        rng_(rng) {}

  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] std::string temporary_path();
  enum class OpenKind : std::uint8_t { kOpen, kCreate };
  Result<void> begin(OpenKind kind);
  Result<void> make_root(Client& client);
  Result<void> look_around(Client& client, const std::vector<NamedFile>& files);
  Result<void> remove_leftovers(Client& client, const std::vector<NamedFile>& files);
  // Whether it worked; if not, why the folder of `name` should be made again.
  Result<bool> put_once(Client& client, std::string_view name, const StreamedBytes& bytes);
  Result<void> make_folders_for(Client& client, std::string_view name) EXCLUDES(mutex_);
  void forget_folders() EXCLUDES(mutex_);
  Result<Naming> naming(Client& client) EXCLUDES(mutex_);
  Result<Naming> probe_rename(Client& client);
  enum class Root : std::uint8_t { kIsLookedAt, kWasThere };
  Result<std::vector<Folder>> read_prefixes(const std::vector<std::string>& prefixes, Root root);
  Result<bool> is_append_only(Client& client);
  // The file that is open already, or one opened and kept open.
  Result<OpenFile> open_kept(Client& client, const std::string& path) const;

  const SftpOptions options_;
  SessionPool pool_;
  Rng& rng_;
  std::atomic<bool> append_only_ = false;  // as it was seen last
  // Files that were opened before the last one are not read on: they may be gone.
  std::atomic<std::uint64_t> removals_ = 0;
  mutable Mutex mutex_;
  // Folders that are there, or were.
  std::set<std::string, std::less<>> known_folders_ GUARDED_BY(mutex_);
  std::optional<Naming> naming_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::sftp
