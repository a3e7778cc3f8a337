#include "snapshot/entry.h"

#include <array>
#include <limits>

#include "base/try.h"
#include "snapshot/field_scan.h"

namespace backstay::snapshot {

namespace {

// Field numbers of docs/format.md section 6.2.
enum EntryField : std::uint32_t {
  kType = 1,
  kMode = 2,
  kUid = 3,
  kGid = 4,
  kModifiedSeconds = 5,
  kModifiedNanos = 6,
  kChangedSeconds = 7,
  kChangedNanos = 8,
  kAccessedSeconds = 9,
  kAccessedNanos = 10,
  kBornSeconds = 11,
  kBornNanos = 12,
  kSize = 13,
  kInode = 14,
  kDevice = 15,
  kLinks = 16,
  kSpecialDevice = 17,
  kSymlinkTarget = 18,
  kXattr = 19,
  kInodeFlags = 20,
  kProjectId = 21,
  kChangedWhileRead = 22,
  kContent = 23,
  kLeftOut = 24,
};

constexpr std::uint32_t kModeMax = 07777;
constexpr std::uint32_t kNanosMax = 999'999'999;
constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kAnyU32 = std::numeric_limits<std::uint32_t>::max();

constexpr RecordShape kEntryShape{.name = "entry",
                                  .last = kLeftOut,
                                  .bytes = FieldSet(kSymlinkTarget, kXattr, kContent),
                                  .repeated = FieldSet(kXattr)};
constexpr FieldSet kRequired(kType, kModifiedSeconds, kModifiedNanos, kChangedSeconds,
                             kChangedNanos);
// Zero is written here; elsewhere a field of value zero is left out.
constexpr FieldSet kMayBeZero(kModifiedSeconds, kModifiedNanos, kChangedSeconds, kChangedNanos,
                              kAccessedSeconds, kAccessedNanos, kBornSeconds, kBornNanos, kLinks);

// The largest value of each number, by field.
constexpr std::array<std::uint64_t, kLeftOut + 1> kLargest{
    0,    7,         kModeMax, kAnyU32,   kAnyU32, kAny, kNanosMax, kAny, kNanosMax,
    kAny, kNanosMax, kAny,     kNanosMax, kAny,    kAny, kAny,      kAny, kAny,
    0,    0,         kAnyU32,  kAnyU32,   1,       0,    255};

constexpr RecordShape kXattrShape{
    .name = "extended attribute", .last = 2, .bytes = FieldSet(1, 2), .repeated = {}};

bool is_device(EntryType type) {
  return type == EntryType::kCharDevice || type == EntryType::kBlockDevice;
}

// What is wrong with the entry, or nothing.
std::string_view content_defect(const Entry& entry) {
  const ContentRoot& content = entry.content;
  if (entry.type != EntryType::kFile) return {};
  if (covered_bytes(content) != entry.size_bytes) return "its content does not cover its size";
  if (entry.size_bytes == 0 && content.level != 0) return "it is empty and has content";
  if (encoded_content_bytes(content) > kInlineContentMax) return "its content is too long";
  return {};
}

std::string_view xattr_defect(const Entry& entry) {
  const ExtendedAttribute* previous = nullptr;
  for (const ExtendedAttribute& xattr : entry.xattrs) {
    if (xattr.name.empty()) return "an extended attribute has no name";
    if (xattr.name.find('\0') != std::string::npos)
      return "the name of an extended attribute is absurd";
    if (previous != nullptr && previous->name >= xattr.name) {
      return "extended attributes are out of order";
    }
    previous = &xattr;
  }
  return {};
}

std::string_view defect_of(const Entry& entry) {
  if (entry.type < EntryType::kFile || entry.type > EntryType::kBlockDevice)
    return "its type is unknown";
  if (entry.mode > kModeMax) return "its mode has more than twelve bits";
  const bool nanos_fit = entry.modified.nanos <= kNanosMax && entry.changed.nanos <= kNanosMax &&
                         entry.accessed.value_or(Timestamp{}).nanos <= kNanosMax &&
                         entry.born.value_or(Timestamp{}).nanos <= kNanosMax;
  if (!nanos_fit) return "a time has more than 999,999,999 nanoseconds";
  if (entry.type == EntryType::kSymlink) {
    const std::string& target = entry.symlink_target;
    if (target.empty() || target.find('\0') != std::string::npos)
      return "its link target is absurd";
  }
  const std::string_view defect = xattr_defect(entry);
  return defect.empty() ? content_defect(entry) : defect;
}

void encode_time(RecordWriter& writer, EntryField seconds_field, const Timestamp& time) {
  writer.signed_number(seconds_field, time.seconds);
  writer.number(seconds_field + 1, time.nanos);
}

void encode_nonzero(RecordWriter& writer, EntryField field, std::uint64_t value) {
  if (value != 0) writer.number(field, value);
}

// The tag and length of a bytes field; the value follows.
void encode_bytes_head(Bytes& out, EntryField field, std::size_t length) {
  append_varint(out, std::uint64_t{field} << 3 | 2);
  append_varint(out, length);
}

void encode_xattr(const ExtendedAttribute& xattr, Bytes& out) {
  std::size_t length = 1 + varint_bytes(xattr.name.size()) + xattr.name.size();
  if (!xattr.value.empty()) length += 1 + varint_bytes(xattr.value.size()) + xattr.value.size();
  encode_bytes_head(out, kXattr, length);
  RecordWriter writer(out);
  writer.text(1, xattr.name);
  if (!xattr.value.empty()) writer.bytes(2, xattr.value);
}

Result<ExtendedAttribute> decode_xattr(ByteView record) {
  ExtendedAttribute xattr;
  FieldScan scan(record, kXattrShape);
  while (TRY(scan.next())) {
    const ByteView value = scan.field().value_bytes;
    if (scan.field().number == 1) {
      xattr.name = as_text(value);
    } else if (value.empty()) {
      return record_corruption(kXattrShape.name, "an empty value is written out");
    } else {
      xattr.value = to_owned(value);
    }
  }
  return xattr;
}

// An entry while its fields come in.
struct EntryDraft {
  Entry entry;
  Timestamp accessed;
  Timestamp born;
};

Timestamp& time_of(EntryDraft& draft, std::uint32_t field) {
  if (field <= kModifiedNanos) return draft.entry.modified;
  if (field <= kChangedNanos) return draft.entry.changed;
  return field <= kAccessedNanos ? draft.accessed : draft.born;
}

void take_number(EntryDraft& draft, std::uint32_t field, std::uint64_t value) {
  Entry& entry = draft.entry;
  const auto small = static_cast<std::uint32_t>(value);  // the table of limits was asked before
  switch (field) {
    case kType:
      entry.type = static_cast<EntryType>(value);
      break;
    case kMode:
      entry.mode = small;
      break;
    case kUid:
      entry.uid = small;
      break;
    case kGid:
      entry.gid = small;
      break;
    case kModifiedSeconds:
    case kChangedSeconds:
    case kAccessedSeconds:
    case kBornSeconds:
      time_of(draft, field).seconds = unzigzag(value);
      break;
    case kModifiedNanos:
    case kChangedNanos:
    case kAccessedNanos:
    case kBornNanos:
      time_of(draft, field).nanos = small;
      break;
    case kSize:
      entry.size_bytes = value;
      break;
    case kInode:
      entry.inode = value;
      break;
    case kDevice:
      entry.device = value;
      break;
    case kLinks:
      entry.links = value;
      break;
    case kSpecialDevice:
      entry.special_device = value;
      break;
    case kInodeFlags:
      entry.inode_flags = small;
      break;
    case kProjectId:
      entry.project_id = small;
      break;
    case kChangedWhileRead:
      entry.changed_while_read = true;
      break;
    case kLeftOut:
      entry.left_out = static_cast<LeftOut>(value);
      break;
    default:
      break;
  }
}

Result<void> take_bytes(Entry& entry, std::uint32_t field, ByteView value) {
  switch (field) {
    case kSymlinkTarget:
      entry.symlink_target = as_text(value);
      break;
    case kXattr:
      entry.xattrs.push_back(TRY_DOING("entry", decode_xattr(value)));
      break;
    case kContent:
      entry.content = TRY_DOING("entry", decode_content(value));
      break;
    default:
      break;
  }
  return {};
}

// Fields that an entry of this type does not have, or that come in pairs.
std::string_view misplaced_field(const Entry& entry, FieldSet seen) {
  if (!seen.has_all(kRequired)) return "a field is missing";
  if (seen.has(kAccessedSeconds) != seen.has(kAccessedNanos) ||
      seen.has(kBornSeconds) != seen.has(kBornNanos)) {
    return "half of a time is missing";
  }
  const bool file = entry.type == EntryType::kFile;
  if (seen.has(kContent) ? !file || entry.size_bytes == 0 : file && entry.size_bytes != 0) {
    return "its content does not fit its type and size";
  }
  if (!file && seen.has(kSize)) return "something else than a file has a size";
  if (seen.has(kLinks) && (entry.type == EntryType::kDirectory || entry.links == 1)) {
    return "its number of links is absurd";
  }
  if (entry.type != EntryType::kDirectory && seen.has(kLeftOut))
    return "it is no directory and lacks something";
  if (!is_device(entry.type) && seen.has(kSpecialDevice)) return "it is no device and has a number";
  if (entry.type != EntryType::kSymlink && seen.has(kSymlinkTarget))
    return "it is no link and has a target";
  return {};
}

}  // namespace

std::string_view to_string(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kSymlink:
      return "symlink";
    case EntryType::kFifo:
      return "fifo";
    case EntryType::kSocket:
      return "socket";
    case EntryType::kCharDevice:
      return "char_device";
    case EntryType::kBlockDevice:
      return "block_device";
  }
  return "unknown";
}

Result<void> validate_entry(const Entry& entry) {
  const std::string_view defect = defect_of(entry);
  if (defect.empty()) return {};
  return fail(ErrorCode::kInvalidArgument, "entry: " + std::string(defect));
}

void encode_entry(const Entry& entry, Bytes& out) {
  RecordWriter writer(out);
  writer.number(kType, static_cast<std::uint64_t>(entry.type));
  encode_nonzero(writer, kMode, entry.mode);
  encode_nonzero(writer, kUid, entry.uid);
  encode_nonzero(writer, kGid, entry.gid);
  encode_time(writer, kModifiedSeconds, entry.modified);
  encode_time(writer, kChangedSeconds, entry.changed);
  if (entry.accessed) encode_time(writer, kAccessedSeconds, *entry.accessed);
  if (entry.born) encode_time(writer, kBornSeconds, *entry.born);
  const bool file = entry.type == EntryType::kFile;
  if (file) encode_nonzero(writer, kSize, entry.size_bytes);
  encode_nonzero(writer, kInode, entry.inode);
  encode_nonzero(writer, kDevice, entry.device);
  const bool directory = entry.type == EntryType::kDirectory;
  if (!directory && entry.links != 1) writer.number(kLinks, entry.links);
  if (is_device(entry.type)) encode_nonzero(writer, kSpecialDevice, entry.special_device);
  if (entry.type == EntryType::kSymlink) writer.text(kSymlinkTarget, entry.symlink_target);
  for (const ExtendedAttribute& xattr : entry.xattrs) encode_xattr(xattr, out);
  encode_nonzero(writer, kInodeFlags, entry.inode_flags);
  encode_nonzero(writer, kProjectId, entry.project_id);
  if (entry.changed_while_read) writer.number(kChangedWhileRead, 1);
  if (directory) encode_nonzero(writer, kLeftOut, static_cast<std::uint64_t>(entry.left_out));
  if (!file || entry.size_bytes == 0) return;
  encode_bytes_head(out, kContent, encoded_content_bytes(entry.content));
  encode_content(entry.content, out);
}

Result<Entry> decode_entry(ByteView record) {
  EntryDraft draft;
  FieldScan scan(record, kEntryShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.is_bytes) {
      TRY(take_bytes(draft.entry, field.number, field.value_bytes));
      continue;
    }
    if (field.value_number > kLargest[field.number]) {
      return record_corruption(kEntryShape.name, "a number is beyond its limit");
    }
    if (field.value_number == 0 && !kMayBeZero.has(field.number)) {
      return record_corruption(kEntryShape.name, "a zero is written out");
    }
    take_number(draft, field.number, field.value_number);
  }
  Entry& entry = draft.entry;
  if (scan.seen().has(kAccessedSeconds)) entry.accessed = draft.accessed;
  if (scan.seen().has(kBornSeconds)) entry.born = draft.born;
  std::string_view defect = misplaced_field(entry, scan.seen());
  if (defect.empty()) defect = defect_of(entry);
  if (!defect.empty()) return record_corruption(kEntryShape.name, defect);
  return std::move(entry);
}

}  // namespace backstay::snapshot
