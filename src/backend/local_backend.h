// Objects as files below one folder: a local disk or anything mounted.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "backend/backend.h"
#include "base/mutex.h"

namespace backstay::backend {

// put() writes an unnamed file, syncs it and links it under its name, so that a crash leaves nothing
// half-written; barrier() syncs the folders that were touched since the last one. Files are 0600 and
// folders 0700. Names that are not object names (editors' backups, "lost+found") are not listed.
class LocalBackend final : public Backend {
 public:
  // `root` must be a folder (not_found otherwise).
  static Result<std::unique_ptr<LocalBackend>> open(std::string root);
  // Makes the folder and its parents where they are missing.
  static Result<std::unique_ptr<LocalBackend>> create(std::string root);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> barrier() override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return root_; }

 private:
  explicit LocalBackend(std::string root) : root_(std::move(root)) {}

  std::string root_;
  Mutex mutex_;
  std::set<std::string> unsynced_directories_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend
