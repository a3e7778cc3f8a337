// Objects as files below one folder: a local disk or anything mounted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/descriptor_cache.h"
#include "base/mutex.h"

namespace backstay::backend {

// put() writes an unnamed file, syncs it and links it under its name, so that a crash leaves
// nothing half-written; barrier() syncs the folders that were touched since the last one, and those
// above a folder that was touched for the first time. Files are 0600 and folders 0700. What is not
// an object is not listed: names of another kind (editors' backups, "lost+found"), links, devices.
// Only the root and the folder that list() starts from may be links.
//
// Append-only mode is a file in the root (docs/format.md section 10.4), which every process looks
// for before it removes anything. What it and retention keep is immutable where this process may
// make it so (local_retention.h). The store's clock is that of the file system: on a disk of this
// machine, this machine's.
class LocalBackend final : public Backend {
 public:
  // `root` must be a folder (not_found otherwise).
  // What dead writers left behind in it is removed, or stays where nothing may be changed.
  enum class Leftovers : std::uint8_t { kGo, kStay };
  static Result<std::unique_ptr<LocalBackend>> open(std::string root,
                                                    Leftovers leftovers = Leftovers::kGo);
  // Makes the folder and its parents where they are missing.
  static Result<std::unique_ptr<LocalBackend>> create(std::string root);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  // The same of a whole file on the file system of the root, open for writing, which becomes the
  // object: mode 0600, written by nobody any more. Other names that it has stay. unsupported, and
  // nothing was done, where the file system cannot give it a name.
  Result<void> put_file(std::string_view name, int file);
  Result<void> barrier() override;
  Result<void> adopt(std::string_view name) override;
  Result<void> adopt_names(std::string_view prefix) override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<void> retain(std::string_view name, Timestamp until) override;
  Result<std::optional<Timestamp>> retention(std::string_view name) override;
  Result<void> set_append_only(AppendOnly mode) override;
  Result<Keeping> keeping() override;
  Result<Answer> versions() override { return Answer::kNo; }
  Result<Timestamp> store_time() override;
  Result<Space> space() override;
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return root_; }

 private:
  explicit LocalBackend(std::string root);

  [[nodiscard]] std::string path_of(std::string_view name) const;
  template <typename CreateFile>  // from a path
  Result<void> create(std::string_view name, const CreateFile& create_file);
  Result<void> make_folders_for(std::string_view name);
  Result<void> list_folder(const std::string& folder, std::vector<std::string>& folders_below,
                           const std::function<Result<void>(const ObjectInfo&)>& each) const;
  [[nodiscard]] bool is_append_only() const;
  [[nodiscard]] bool makes_immutable() const EXCLUDES(mutex_);
  void keep_if_append_only(std::string_view name) const;
  Result<void> allow_removal(std::string_view name, const std::string& path);
  Result<void> require_owner() const;
  Result<void> make_marker();
  Result<void> remove_marker();
  Result<void> protect_all();
  Result<void> unprotect_all();
  [[nodiscard]] Error judge_read(Error error) const;
  [[nodiscard]] Error judge_access(Error error) const;
  [[nodiscard]] bool answers() const;
  void touch_folder_of(std::string_view name) EXCLUDES(mutex_);
  Result<std::set<std::string>> begin_barrier() EXCLUDES(mutex_);
  void end_barrier(const Result<void>& synced) EXCLUDES(mutex_);

  const std::string root_;
  const bool keeps_attributes_;
  DescriptorCache descriptors_;
  mutable Mutex mutex_;
  CondVar barrier_ended_;
  // Folders whose names may not be durable yet.
  std::set<std::string> unsynced_folders_ GUARDED_BY(mutex_);
  // Folders that are below durable ones, or will be after the next barrier.
  std::set<std::string> known_folders_ GUARDED_BY(mutex_);
  bool in_barrier_ GUARDED_BY(mutex_) = false;
  bool attributes_unsynced_ GUARDED_BY(mutex_) = false;
  mutable std::optional<bool> makes_immutable_ GUARDED_BY(mutex_);
  std::optional<Error> sync_failure_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend
