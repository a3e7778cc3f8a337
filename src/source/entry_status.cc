#include "source/entry_status.h"

#include <utility>

#include "base/try.h"

namespace backstay::source {

using snapshot::Entry;
using snapshot::EntryType;

static Result<EntryType> type_of(io::FileKind kind) {
  switch (kind) {
    case io::FileKind::kRegular:
      return EntryType::kFile;
    case io::FileKind::kDirectory:
      return EntryType::kDirectory;
    case io::FileKind::kSymlink:
      return EntryType::kSymlink;
    case io::FileKind::kFifo:
      return EntryType::kFifo;
    case io::FileKind::kSocket:
      return EntryType::kSocket;
    case io::FileKind::kCharDevice:
      return EntryType::kCharDevice;
    case io::FileKind::kBlockDevice:
      return EntryType::kBlockDevice;
    case io::FileKind::kUnknown:
      break;
  }
  return fail(ErrorCode::kUnsupported, "it is of a kind that this program does not know");
}

Result<Entry> entry_from_status(const io::FileStatus& status, AccessTimes access_times) {
  Entry entry;
  entry.type = TRY(type_of(status.kind));
  entry.mode = status.mode;
  entry.uid = status.uid;
  entry.gid = status.gid;
  entry.modified = status.modified;
  entry.changed = status.changed;
  if (access_times == AccessTimes::kKeep) entry.accessed = status.accessed;
  entry.born = status.born;
  entry.inode = status.inode;
  if (entry.type == EntryType::kFile) entry.size_bytes = status.size;
  if (entry.type != EntryType::kDirectory && status.links > 1) {
    entry.links = status.links;
    entry.device = status.device;
  }
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    entry.special_device = status.special_device;
  }
  return entry;
}

void copy_attributes(const Entry& from, Entry& to) {
  to.xattrs = from.xattrs;
  to.inode_flags = from.inode_flags;
  to.project_id = from.project_id;
}

void set_xattrs(std::vector<io::NamedValue>& values, Entry& entry) {
  entry.xattrs.clear();
  entry.xattrs.reserve(values.size());
  for (io::NamedValue& value : values) {
    entry.xattrs.push_back({std::move(value.name), std::move(value.value)});
  }
}

void set_open_attributes(int fd, io::XattrReader& xattrs, Entry& entry,
                         const std::function<void(const Error&)>& report) {
  std::vector<io::NamedValue> values;
  if (const Result<void> read = xattrs.read(fd, values); !read) report(read.error());
  set_xattrs(values, entry);
  const Result<io::InodeAttributes> inode = io::inode_attributes_of(fd);
  if (!inode) return report(inode.error());
  entry.inode_flags = inode->flags;
  entry.project_id = inode->project_id;
}

Error vanished() {
  return {ErrorCode::kNotFound, "it vanished while the backup ran"};
}

Error replaced() {
  return {ErrorCode::kConflict, "it was replaced while the backup ran"};
}

Error with_reader_hint(Error error) {
  if (error.code() != ErrorCode::kPermissionDenied) return error;
  return std::move(error).with_hint("Run the backup as a user who may read it.");
}

}  // namespace backstay::source
