// What the engine says, in the words of the public header.
#include <algorithm>

#include "library/opened.h"

namespace backstay::library {
namespace {

Moment told_time(Timestamp time) {
  return {.seconds = time.seconds, .nanos = time.nanos};
}

FileType told_type(snapshot::EntryType type) {
  using From = snapshot::EntryType;
  switch (type) {
    case From::kFile:
      return FileType::kFile;
    case From::kDirectory:
      return FileType::kDirectory;
    case From::kSymlink:
      return FileType::kSymlink;
    case From::kFifo:
      return FileType::kFifo;
    case From::kSocket:
      return FileType::kSocket;
    case From::kCharDevice:
      return FileType::kCharDevice;
    case From::kBlockDevice:
      return FileType::kBlockDevice;
  }
  return FileType::kFile;
}

std::string name_in(const std::map<std::uint32_t, std::string>& names, std::uint32_t id) {
  const auto found = names.find(id);
  return found == names.end() ? std::string() : found->second;
}

}  // namespace

Snapshot told_snapshot(const repo::StoredSnapshot& stored) {
  const snapshot::Snapshot& from = stored.snapshot;
  Snapshot told{.id = stored.id.hex(),
                .started = told_time(from.started),
                .finished = told_time(from.finished),
                .host = from.host,
                .user = from.user,
                .paths = from.paths,
                .tags = from.tags,
                .description = from.description,
                .backup_type = std::string(to_string(from.type)),
                .parent = {},
                .complete = from.status == snapshot::Status::kComplete,
                .files_total = from.stats.files_total,
                .dirs_total = from.stats.dirs_total,
                .bytes_total = from.stats.bytes_total,
                .bytes_added = from.stats.bytes_added,
                .bytes_stored = from.stats.bytes_stored,
                .errors = from.stats.errors};
  if (from.parent) told.parent = from.parent->hex();
  return told;
}

FileEntry told_entry(std::string path, const snapshot::Entry& entry, const snapshot::Snapshot& of) {
  return {.path = std::move(path),
          .type = told_type(entry.type),
          .mode = entry.mode,
          .uid = entry.uid,
          .gid = entry.gid,
          .user = name_in(of.user_names, entry.uid),
          .group = name_in(of.group_names, entry.gid),
          .modified = told_time(entry.modified),
          .size = entry.size_bytes,
          .inode = entry.inode,
          .links = entry.links,
          .symlink_target = entry.symlink_target};
}

Result<std::vector<repo::StoredSnapshot>> snapshots_of(const Access& access,
                                                       repo::Repository& repository) {
  return repository.snapshots([&access](const snapshot::SnapshotId& id, const Error& error) {
    if (access.note) access.note("snapshot " + id.short_hex() + ": " + error.describe());
  });
}

}  // namespace backstay::library
