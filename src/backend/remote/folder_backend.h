// Objects as files on a server that cannot do more than keep files, laid out like those of
// LocalBackend: what one wrote the other reads.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/remote/files.h"
#include "base/mutex.h"
#include "base/rng.h"

namespace backstay::backend {

enum class OpenKind : std::uint8_t;

namespace remote {

struct FolderOptions {
  std::size_t folders_at_once = 8;  // that list() reads side by side
  std::size_t transfers_max = 0;    // as in Capabilities
};

// put() writes a file ".tmp-..." in the root and renames it, so that a name appears with all its
// bytes. Servers look whether the new name is free, or are asked, and rename then: between the two
// somebody else may be, so capabilities() promises no conditional create. What is durable when the
// server has answered is up to the server: barrier() has nothing to ask it for.
//
// Times are whole seconds of the server's clock. There is no retention. Append-only mode is the
// same file as in a folder, and kept by those who heed it.
class FolderBackend final : public Backend {
 public:
  // `rng` outlives the backend. not_found where the root is no folder, which kCreate makes. Unless
  // it is opened only to read, what writers left behind that died more than a day ago is removed.
  static Result<std::unique_ptr<FolderBackend>> open(std::unique_ptr<Files> files, OpenKind kind,
                                                     Rng& rng, FolderOptions options = {});

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override { return {}; }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<void> set_append_only(AppendOnly mode) override;
  Result<std::string> mark(std::string_view name) override;
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return files_->place(); }

  // already_exists when the root holds something else than a repository (backend/open.h).
  Result<void> check_is_free();

 private:
  FolderBackend(std::unique_ptr<Files> files, Rng& rng, FolderOptions options)
      : files_(std::move(files)), rng_(rng), options_(options) {}

  Result<void> begin(OpenKind kind);
  Result<void> remove_leftovers(const std::vector<Entry>& entries);
  [[nodiscard]] std::string temporary_path();
  Result<void> make_folders_for(std::string_view name) EXCLUDES(mutex_);
  void forget_folders() EXCLUDES(mutex_);
  // Whether it has the name now; if not, the folders should be made again.
  Result<bool> give_name(const std::string& temporary, const std::string& name);
  // Who says that a folder is there.
  enum class Named : std::uint8_t { kByNobody, kByTheFolderAbove };
  Result<std::vector<Entry>> read_folder(const std::string& prefix, Named named);
  // `asked` is the prefix that list() has from its caller.
  Result<std::vector<std::vector<Entry>>> read_folders(const std::vector<std::string>& prefixes,
                                                       std::string_view asked);
  Result<bool> is_append_only();

  const std::unique_ptr<Files> files_;
  Rng& rng_;
  const FolderOptions options_;
  std::atomic<bool> append_only_ = false;  // as it was seen last
  Mutex mutex_;
  // Folders that are there, or were.
  std::set<std::string, std::less<>> known_folders_ GUARDED_BY(mutex_);
};

}  // namespace remote
}  // namespace backstay::backend
