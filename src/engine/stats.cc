#include "engine/stats.h"

#include <unordered_set>

#include "base/try.h"
#include "engine/check/object_check.h"
#include "snapshot/tree.h"

namespace backstay::engine {

namespace {

struct Seen {
  std::unordered_set<chunk::ChunkId> pages;
  std::unordered_set<repo::IdPrefix, decltype([](const repo::IdPrefix& id) {
                       return load_le<std::size_t>(id.data());
                     })>
      chunks;
};

Result<void> count_extents(repo::Repository& repository, const snapshot::Entry& entry, Seen& seen,
                           StatsReport& report) {
  return snapshot::for_each_extent(
      entry.content, entry.size_bytes, repository,
      [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
        if (extent.kind != snapshot::ExtentKind::kChunk) return {};
        if (seen.chunks.insert(repo::prefix_of(extent.id)).second) {
          ++report.unique_chunks;
          report.unique_bytes += extent.length;
        }
        return {};
      });
}

// Chunks of pages that were not seen in another snapshot.
Result<void> count_chunks(repo::Repository& repository, const snapshot::TreeRoot& root, Seen& seen,
                          StatsReport& report) {
  return snapshot::for_each_page(
      repository, root, [&](const chunk::ChunkRef& page, std::uint8_t level) -> Result<bool> {
        if (!seen.pages.insert(page.id).second) return false;
        if (level > 0) return true;
        const Bytes bytes = TRY(repository.read(page));
        for (const snapshot::TreeItem& item : TRY(snapshot::decode_leaf(bytes))) {
          TRY(count_extents(repository, item.entry, seen, report));
        }
        return true;
      });
}

Result<void> count_objects(repo::Repository& repository, StatsReport& report) {
  using repo::ObjectKind;
  for (const auto& object : TRY(check_stages::list_objects(repository.store()))) {
    report.stored_bytes += object.size_bytes;
    if (object.kind == ObjectKind::kDataPack) {
      ++report.data_packs;
      report.data_bytes += object.size_bytes;
    } else if (object.kind == ObjectKind::kMetaPack) {
      ++report.meta_packs;
      report.meta_bytes += object.size_bytes;
    } else if (object.kind == ObjectKind::kIndexRun) {
      ++report.index_runs;
      report.index_bytes += object.size_bytes;
    }
  }
  report.index_entries = repository.index().totals().entries;
  return {};
}

}  // namespace

Result<StatsReport> stats(repo::Repository& repository,
                          const std::optional<snapshot::Snapshot>& one, Activity& activity) {
  std::vector<snapshot::Snapshot> chosen;
  if (one) {
    chosen.push_back(*one);
  } else {
    for (auto& stored : TRY(repository.snapshots([&](const auto&id, const Error&error) {
           activity.report("snapshot " + id.short_hex(), error);
         }))) {
      chosen.push_back(std::move(stored.snapshot));
    }
  }
  TRY_DOING("loading the index",
            repository.load_index([&](const repo::ObjectId& id, const Error& error) {
              activity.report("index run " + id.short_hex(), error);
            }));
  StatsReport report;
  report.snapshots = chosen.size();
  Seen seen;
  for (const snapshot::Snapshot& snapshot : chosen) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    report.files += snapshot.stats.files_total;
    report.dirs += snapshot.stats.dirs_total;
    report.restore_bytes += snapshot.stats.bytes_total;
    TRY(count_chunks(repository, snapshot.tree, seen, report));
  }
  TRY(count_objects(repository, report));
  const auto ratio = [](std::uint64_t a, std::uint64_t b) {
    return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
  };
  report.dedup_ratio = ratio(report.restore_bytes, report.unique_bytes);
  if (!one) report.compression_ratio = ratio(report.unique_bytes, report.data_bytes);
  return report;
}

}  // namespace backstay::engine
