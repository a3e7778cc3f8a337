// The visitor that restores: it makes folders as the walk enters them and gathers files in windows.
#pragma once

#include "engine/restore/link_groups.h"
#include "engine/restore/target_walk.h"
#include "engine/restore/window.h"

namespace backstay::engine::restoring {

class RestoreRun final : public Visitor {
 public:
  // `spare_bytes` of the target's free space are not needed for what is new in it.
  RestoreRun(Site& site, std::uint64_t spare_bytes);

  // Restores the whole selection; returns when the last file is done.
  Result<void> run();

  void target(FolderNode& node, const snapshot::Entry& entry) override;
  void count_target() override;
  Result<FolderNodePtr> folder(FolderVisit visit) override;
  Result<void> file(FileVisit visit) override;
  [[nodiscard]] bool wants_extras() const override { return true; }
  bool extra(const FolderNodePtr& folder, const std::string& name,
             snapshot::EntryType type) override;
  Result<FolderNodePtr> enter_extra(const FolderNodePtr& parent, const std::string& name,
                                    const snapshot::Entry& existing) override;
  Result<void> clear_folder(const FolderNodePtr& folder, const std::string& name) override;

 private:
  Result<void> remove(const FolderNode& folder, const std::string& name, snapshot::EntryType type);
  void leave_alone(const FileVisit& visit);
  bool link_to_group(const FileVisit& visit);
  void become_holder(FileJob& job);
  void restore_bytes(const FileJobPtr& job);
  Result<void> place_small(const FileJobPtr& job);
  Result<void> place_large(const FileJobPtr& job);
  Result<void> check_chunks(FileJob& job);
  Result<void> add_extent(const FileJobPtr& job, std::uint64_t offset,
                          const snapshot::Extent& extent);
  void add_zeros(const FileJobPtr& job, ZeroRange range);
  Result<repo::ChunkLocation> locate(const snapshot::Extent& extent) const;
  void hand_over_if_full();

  Site& site_;
  FileWorker worker_;
  Workers workers_;  // after what its threads use
  Window window_;
  LinkGroups groups_;
  std::uint64_t next_number_ = 0;
};

}  // namespace backstay::engine::restoring
