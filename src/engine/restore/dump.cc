// One file to a stream.
#include <fmt/format.h>

#include <optional>

#include "base/try.h"
#include "engine/restore.h"
#include "engine/restore/limits.h"
#include "engine/restore/ordered_stream.h"
#include "engine/restore/read_lease.h"
#include "snapshot/content.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {
namespace restoring {
namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::Extent;

Result<Entry> find_file(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                        const std::string& path) {
  const std::optional<Entry> entry =
      TRY_DOING("looking for " + path,
                snapshot::find_entry(repository, snapshot.tree, snapshot::key_from_path(path)));
  if (!entry) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("the snapshot has no {}", path))
            .with_hint("List what is in the snapshot with: backstay ls SNAPSHOT [FOLDER]"));
  }
  if (entry->type != EntryType::kFile) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is a {}, and only files can be written to a stream", path,
                          snapshot::to_string(entry->type)))
            .with_hint("Use 'backstay restore', or name a file."));
  }
  return *entry;
}

}  // namespace
}  // namespace restoring

Result<void> dump(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                  const DumpOptions& options, const std::function<Result<void>(ByteView)>& write,
                  Activity& activity) {
  using namespace restoring;
  const LeasePtr lease = TRY(take_read_lease(repository, "dump", activity));
  if (options.id && lease) TRY(require_snapshot(repository, *options.id));
  const std::string clean = snapshot::clean_path(options.path, "/");
  const Entry entry = TRY(find_file(repository, snapshot, clean));
  activity.progress.files_total = 1;
  activity.progress.bytes_total = entry.size_bytes;
  activity.progress.set_current(clean);

  const Limits limits = limits_over(repository.store(), 0, 0);
  OrderedStream stream(repository, write, limits, activity);
  const auto pump = [&]() -> Result<void> {
    TRY(snapshot::for_each_extent(
        entry.content, entry.size_bytes, repository,
        [&](std::uint64_t, const Extent& extent) { return stream.add(extent); }));
    return stream.finish();
  };
  TRY_DOING("reading " + clean, pump());
  activity.progress.files_done = 1;
  return {};
}

}  // namespace backstay::engine
