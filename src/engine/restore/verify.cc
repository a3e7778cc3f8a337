#include "engine/restore/verify.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/try.h"
#include "engine/restore/file_bytes.h"
#include "engine/restore/link_groups.h"
#include "engine/restore/target_walk.h"
#include "engine/restore/workers.h"
#include "io/file.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;

constexpr std::size_t kBatchFiles = 64;
constexpr std::uint64_t kBatchBytes = 64 << 20;

class Verifier final : public Visitor {
 public:
  explicit Verifier(Site& site)
      : site_(site), workers_(site.limits.threads, site.limits.threads * 2) {}

  Result<void> run() {
    TRY(walk_target(site_, *this, TreeDamage::kIgnore));
    hand_over();
    workers_.finish();
    return site_.outcome.status();
  }

  void target(FolderNode& /*node*/, const snapshot::Entry& /*entry*/) override {}
  void count_target() override {}
  Result<FolderNodePtr> folder(FolderVisit visit) override {
    source::TargetFolderPtr folder =
        TRY(site_.target->find_folder(visit.parent->folder(), visit.name));
    if (folder == nullptr)
      return fail(ErrorCode::kNotFound, "the folder is not there after the restore");
    return std::make_shared<FolderNode>(std::move(visit.parent), std::move(visit.name),
                                        std::move(folder));
  }

  Result<void> file(FileVisit visit) override {
    if (site_.outcome.is_left_out(visit.folder->path_of(visit.name))) return {};
    if (visit.entry.type != EntryType::kFile && site_.options.validate) {
      if (const Result<void> same = compare_special(visit); !same) differs(visit, same.error());
    }
    if (visit.entry.type != EntryType::kFile || is_further_name(visit.entry)) return {};
    batch_bytes_ += visit.entry.size_bytes;
    batch_.push_back(std::move(visit));
    if (batch_.size() >= kBatchFiles || batch_bytes_ >= kBatchBytes) hand_over();
    return {};
  }

  [[nodiscard]] bool wants_extras() const override { return false; }
  bool extra(const FolderNodePtr& /*folder*/, const std::string& /*name*/,
             EntryType /*type*/) override {
    return false;
  }
  Result<FolderNodePtr> enter_extra(const FolderNodePtr& /*parent*/, const std::string& /*name*/,
                                    const snapshot::Entry& /*existing*/) override {
    return FolderNodePtr();
  }
  Result<void> clear_folder(const FolderNodePtr& /*folder*/, const std::string& /*name*/) override {
    return fail(ErrorCode::kNotFound, "a folder stands in its place after the restore");
  }

 private:
  bool is_further_name(const snapshot::Entry& entry) {
    if (entry.links <= 1) return false;
    if (groups_.find(entry) != nullptr) return true;
    groups_.add(entry, std::make_shared<LinkGroup>(nullptr, "", ""));
    return false;
  }

  void hand_over() {
    workers_.submit(
        [this, batch = std::exchange(batch_, {})] {
          for (const FileVisit& visit : batch) verify(visit);
        },
        1);
    batch_bytes_ = 0;
  }

  void verify(const FileVisit& visit) {
    if (site_.outcome.ending()) return;
    const Result<void> same = compare(visit);
    if (same) {
      site_.outcome.bytes_verified.fetch_add(visit.entry.size_bytes, std::memory_order_relaxed);
    } else if (!site_.outcome.ending()) {
      differs(visit, same.error());
    }
  }

  void differs(const FileVisit& visit, const Error& error) {
    site_.outcome.differences.fetch_add(1, std::memory_order_relaxed);
    site_.outcome.trouble(visit.folder->path_of(visit.name),
                          error.clone().with_context("verifying what was restored"));
  }

  // Symbolic links, devices, FIFOs and sockets.
  Result<void> compare_special(const FileVisit& visit) {
    const auto there = TRY(site_.target->look(visit.folder->folder(), visit.name));
    if (!there) return fail(ErrorCode::kNotFound, "it is not there after the restore");
    const snapshot::Entry& now = there->entry;
    if (now.type != visit.entry.type || now.symlink_target != visit.entry.symlink_target ||
        now.special_device != visit.entry.special_device)
      return fail(ErrorCode::kCorruption, "it is something else than in the snapshot");
    return {};
  }

  Result<void> compare(const FileVisit& visit) {
    const io::Fd fd = TRY(site_.target->open_for_read(visit.folder->folder(), visit.name));
    if (site_.options.validate) {
      // What is not on the medium yet could not be asked for again.
      TRY(io::sync_file(fd.get()));
      io::forget_cached(fd.get());
    }
    const std::uint64_t size = TRY(io::open_file_info(fd.get())).size;
    if (size != visit.entry.size_bytes)
      return fail(ErrorCode::kCorruption, "the file has another size than in the snapshot");
    return snapshot::for_each_extent(visit.entry.content, visit.entry.size_bytes, site_.repository,
                                     [&](std::uint64_t offset, const Extent& extent) {
                                       return compare_extent(fd.get(), offset, extent);
                                     });
  }

  Result<void> compare_extent(int fd, std::uint64_t offset, const Extent& extent) {
    if (site_.outcome.ending()) return site_.outcome.status();
    const bool is_chunk = extent.kind == ExtentKind::kChunk;
    if (is_chunk && extent.length > repo::kFrameMax)
      return fail(ErrorCode::kCorruption, "the snapshot states an absurd length for a chunk");
    const chunk::ChunkRef chunk{.id = extent.id,
                                .length = static_cast<std::uint32_t>(is_chunk ? extent.length : 0)};
    const bool same = is_chunk ? TRY(has_chunk_at(fd, offset, chunk, site_.repository))
                               : TRY(reads_as_zeros(fd, offset, extent.length, site_));
    if (same) return {};
    return fail(ErrorCode::kCorruption, fmt::format("the bytes from {} on differ", offset));
  }

  Site& site_;
  LinkGroups groups_;
  std::vector<FileVisit> batch_;
  std::uint64_t batch_bytes_ = 0;
  Workers workers_;
};

}  // namespace

Result<void> verify_target(Site& site) {
  return Verifier(site).run();
}

}  // namespace backstay::engine::restoring
