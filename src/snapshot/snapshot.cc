#include "snapshot/snapshot.h"

#include <algorithm>
#include <limits>

#include "base/try.h"
#include "snapshot/field_scan.h"
#include "snapshot/page.h"
#include "snapshot/tree_key.h"

namespace backstay::snapshot {

namespace {

// Field numbers of docs/format.md section 7.
enum SnapshotField : std::uint32_t {
  kVersion = 1,
  kStartedSeconds = 2,
  kStartedNanos = 3,
  kFinishedSeconds = 4,
  kFinishedNanos = 5,
  kHost = 6,
  kUser = 7,
  kPath = 8,
  kTag = 9,
  kDescription = 10,
  kBackupType = 11,
  kParent = 12,
  kStatus = 13,
  kTree = 14,
  kCounts = 15,
  kExclude = 16,
  kProgram = 17,
  kError = 18,
  kUserName = 19,
  kGroupName = 20,
  kLargerLeftOut = 21,
  kPlaceLeftOut = 22,
  kCommitLease = 23,
  kOrigin = 24,
  kRepaired = 25,
  kByWriteOnlyKey = 26,
};

constexpr std::uint64_t kRecordVersion = 1;
constexpr std::uint32_t kSnapshotNanosMax = 999'999'999;
constexpr std::size_t kSnapshotBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kListedMax = 1024 * 1024;  // paths, tags, patterns, names: each

constexpr RecordShape kSnapshotShape{
    .name = "snapshot",
    .last = kByWriteOnlyKey,
    .bytes = FieldSet(kHost, kUser, kPath, kTag, kDescription, kParent, kTree, kCounts, kExclude,
                      kProgram, kError, kUserName, kGroupName, kPlaceLeftOut, kCommitLease, kOrigin,
                      kRepaired),
    .repeated = FieldSet(kPath, kTag, kExclude, kError, kUserName, kGroupName, kPlaceLeftOut)};
constexpr FieldSet kSnapshotRequired(kVersion, kStartedSeconds, kStartedNanos, kFinishedSeconds,
                                     kFinishedNanos, kBackupType, kStatus, kTree);
constexpr RecordShape kTreeShape{
    .name = "snapshot: tree", .last = 4, .bytes = FieldSet(1), .repeated = {}};
constexpr RecordShape kCountsShape{
    .name = "snapshot: counts", .last = 11, .bytes = {}, .repeated = {}};
constexpr RecordShape kErrorShape{
    .name = "snapshot: error", .last = 2, .bytes = FieldSet(1, 2), .repeated = {}};
constexpr RecordShape kRepairedShape{
    .name = "snapshot: repair", .last = 5, .bytes = FieldSet(1), .repeated = {}};
constexpr RecordShape kNameShape{
    .name = "snapshot: name", .last = 2, .bytes = FieldSet(2), .repeated = {}};

// In the order of their fields, from 1.
constexpr std::uint64_t SnapshotStats::*kCounters[] = {
    &SnapshotStats::files_new,     &SnapshotStats::files_changed, &SnapshotStats::files_unmodified,
    &SnapshotStats::files_deleted, &SnapshotStats::dirs_total,    &SnapshotStats::files_total,
    &SnapshotStats::bytes_total,   &SnapshotStats::bytes_read,    &SnapshotStats::bytes_added,
    &SnapshotStats::bytes_stored,  &SnapshotStats::errors};

std::unexpected<Error> snapshot_corruption(std::string_view problem) {
  return record_corruption(kSnapshotShape.name, problem);
}

void encode_timestamp(RecordWriter& writer, SnapshotField seconds_field, const Timestamp& time) {
  writer.signed_number(seconds_field, time.seconds);
  writer.number(seconds_field + 1, time.nanos);
}

void encode_text(RecordWriter& writer, SnapshotField field, std::string_view text) {
  if (!text.empty()) writer.text(field, text);
}

void encode_list(RecordWriter& writer, SnapshotField field, const std::vector<std::string>& list) {
  for (const std::string& text : list) writer.text(field, text);
}

Bytes encode_tree(const TreeRoot& tree) {
  Bytes out;
  RecordWriter writer(out);
  writer.bytes(1, tree.page.id.view());
  writer.number(2, tree.page.length);
  writer.number(3, tree.level);
  writer.number(4, tree.entries);
  return out;
}

Bytes encode_counts(const SnapshotStats& stats) {
  Bytes out;
  RecordWriter writer(out);
  std::uint32_t field = 0;
  for (const auto counter : kCounters) writer.number(++field, stats.*counter);
  return out;
}

Bytes encode_repaired(const Repaired& repaired) {
  Bytes out;
  RecordWriter writer(out);
  writer.bytes(1, repaired.from.view());
  writer.number(2, repaired.files_lost);
  writer.number(3, repaired.stretches_lost);
  writer.signed_number(4, repaired.time.seconds);
  writer.number(5, repaired.time.nanos);
  return out;
}

Bytes encode_error(const SourceError& error) {
  Bytes out;
  RecordWriter writer(out);
  writer.text(1, error.path);
  writer.text(2, error.message);
  return out;
}

void encode_names(RecordWriter& writer, SnapshotField field,
                  const std::map<std::uint32_t, std::string>& names) {
  for (const auto& [number, name] : names) {
    Bytes out;
    RecordWriter name_writer(out);
    name_writer.number(1, number);
    name_writer.text(2, name);
    writer.bytes(field, out);
  }
}

Result<TreeRoot> decode_tree(ByteView record) {
  TreeRoot tree;
  FieldScan scan(record, kTreeShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1: {
        auto id = chunk::ChunkId::from_bytes(field.value_bytes);
        if (!id) return record_corruption(kTreeShape.name, "its page has no proper id");
        tree.page.id = *id;
        break;
      }
      case 2:
        if (field.value_number > kPageBytesMax) {
          return record_corruption(kTreeShape.name, "its page is longer than 16 MiB");
        }
        tree.page.length = static_cast<std::uint32_t>(field.value_number);
        break;
      case 3:
        if (field.value_number > kTreeLevelMax) {
          return record_corruption(kTreeShape.name, "its level is absurd");
        }
        tree.level = static_cast<std::uint8_t>(field.value_number);
        break;
      default:
        tree.entries = field.value_number;
    }
  }
  if (!scan.seen().has(1) || tree.page.length == 0) {
    return record_corruption(kTreeShape.name, "it has no page");
  }
  return tree;
}

Result<SnapshotStats> decode_counts(ByteView record) {
  SnapshotStats stats;
  FieldScan scan(record, kCountsShape);
  while (TRY(scan.next())) stats.*kCounters[scan.field().number - 1] = scan.field().value_number;
  return stats;
}

Result<Repaired> decode_repaired(ByteView record) {
  Repaired repaired;
  FieldScan scan(record, kRepairedShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1: {
        auto from = SnapshotId::from_bytes(field.value_bytes);
        if (!from) return record_corruption(kRepairedShape.name, "it names no proper snapshot");
        repaired.from = *from;
        break;
      }
      case 2:
        repaired.files_lost = field.value_number;
        break;
      case 3:
        repaired.stretches_lost = field.value_number;
        break;
      case 4:
        repaired.time.seconds = unzigzag(field.value_number);
        break;
      default:
        if (field.value_number > kSnapshotNanosMax)
          return record_corruption(kRepairedShape.name, "its time is absurd");
        repaired.time.nanos = static_cast<std::uint32_t>(field.value_number);
    }
  }
  if (!scan.seen().has(1)) return record_corruption(kRepairedShape.name, "it names no snapshot");
  return repaired;
}

Result<SourceError> decode_error(ByteView record) {
  SourceError error;
  FieldScan scan(record, kErrorShape);
  while (TRY(scan.next())) {
    std::string& text = scan.field().number == 1 ? error.path : error.message;
    text = as_text(scan.field().value_bytes);
  }
  return error;
}

Result<void> decode_name(ByteView record, std::map<std::uint32_t, std::string>& names) {
  std::uint64_t number = 0;
  std::string name;
  FieldScan scan(record, kNameShape);
  while (TRY(scan.next())) {
    if (scan.field().is_bytes) {
      name = as_text(scan.field().value_bytes);
    } else {
      number = scan.field().value_number;
    }
  }
  if (number > std::numeric_limits<std::uint32_t>::max()) {
    return record_corruption(kNameShape.name, "its number has more than 32 bits");
  }
  const auto id = static_cast<std::uint32_t>(number);
  if (!names.empty() && names.rbegin()->first >= id) {
    return record_corruption(kNameShape.name, "numbers are out of order");
  }
  if (names.size() == kListedMax) return snapshot_corruption("a list is absurdly long");
  names.emplace_hint(names.end(), id, std::move(name));
  return {};
}

Result<void> decode_listed(ByteView text, std::vector<std::string>& list) {
  if (text.empty()) return snapshot_corruption("a list holds an empty text");
  if (list.size() == kListedMax) return snapshot_corruption("a list is absurdly long");
  list.emplace_back(as_text(text));
  return {};
}

Result<std::uint32_t> decode_nanos(std::uint64_t value) {
  if (value > kSnapshotNanosMax) {
    return snapshot_corruption("a time has more than 999,999,999 nanoseconds");
  }
  return static_cast<std::uint32_t>(value);
}

Result<void> take_snapshot_number(Snapshot& snapshot, std::uint32_t field, std::uint64_t value) {
  switch (field) {
    case kVersion:
      if (value == kRecordVersion) break;
      return std::unexpected(Error(ErrorCode::kUnsupported,
                                   "the snapshot has a version that this program does not know")
                                 .with_hint("Use a newer version of Backstay."));
    case kStartedSeconds:
      snapshot.started.seconds = unzigzag(value);
      break;
    case kStartedNanos:
      snapshot.started.nanos = TRY(decode_nanos(value));
      break;
    case kFinishedSeconds:
      snapshot.finished.seconds = unzigzag(value);
      break;
    case kFinishedNanos:
      snapshot.finished.nanos = TRY(decode_nanos(value));
      break;
    case kBackupType:
      if (value < 1 || value > 3) return snapshot_corruption("its type is unknown");
      snapshot.type = static_cast<BackupType>(value);
      break;
    case kStatus:
      if (value < 1 || value > 2) return snapshot_corruption("its status is unknown");
      snapshot.status = static_cast<Status>(value);
      break;
    case kLargerLeftOut:
      if (value == 0) return snapshot_corruption("a limit of zero is written out");
      snapshot.larger_left_out = value;
      break;
    case kByWriteOnlyKey:
      if (value != 1) return snapshot_corruption("field 26 is not 1");
      snapshot.by_write_only_key = true;
      break;
    default:
      break;
  }
  return {};
}

Result<void> take_snapshot_bytes(Snapshot& snapshot, std::uint32_t field, ByteView value) {
  switch (field) {
    case kHost:
      snapshot.host = as_text(value);
      break;
    case kUser:
      snapshot.user = as_text(value);
      break;
    case kPath:
      return decode_listed(value, snapshot.paths);
    case kTag:
      return decode_listed(value, snapshot.tags);
    case kDescription:
      snapshot.description = as_text(value);
      break;
    case kParent: {
      auto id = SnapshotId::from_bytes(value);
      if (!id) return snapshot_corruption("its parent has no proper id");
      snapshot.parent = *id;
      break;
    }
    case kTree:
      snapshot.tree = TRY(decode_tree(value));
      break;
    case kCounts:
      snapshot.stats = TRY(decode_counts(value));
      break;
    case kExclude:
      return decode_listed(value, snapshot.excludes);
    case kProgram:
      snapshot.program = as_text(value);
      break;
    case kError:
      if (snapshot.errors.size() == kRecordedErrorsMax) {
        return snapshot_corruption("it holds more than 100 errors");
      }
      snapshot.errors.push_back(TRY(decode_error(value)));
      break;
    case kUserName:
      return decode_name(value, snapshot.user_names);
    case kGroupName:
      return decode_name(value, snapshot.group_names);
    case kPlaceLeftOut:
      return decode_listed(value, snapshot.places_left_out);
    case kCommitLease: {
      auto id = CommitLease::from_bytes(value);
      if (!id) return snapshot_corruption("its lease has no proper id");
      snapshot.lease = *id;
      break;
    }
    case kOrigin:
      snapshot.origin = as_text(value);
      break;
    case kRepaired:
      snapshot.repaired = TRY(decode_repaired(value));
      break;
    default:
      break;
  }
  return {};
}

bool ascends_strictly(const std::vector<std::string>& list) {
  return std::ranges::adjacent_find(list, std::greater_equal<>()) == list.end();
}

bool is_clean(const std::string& path) {
  return path.starts_with('/') && clean_path(path, "/") == path;
}

}  // namespace

std::string_view to_string(BackupType type) {
  switch (type) {
    case BackupType::kFull:
      return "full";
    case BackupType::kIncremental:
      return "incremental";
    case BackupType::kDifferential:
      return "differential";
  }
  return "unknown";
}

Result<BackupType> parse_backup_type(std::string_view name) {
  for (const auto type : {BackupType::kFull, BackupType::kIncremental, BackupType::kDifferential}) {
    if (name == to_string(type)) return type;
  }
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, "there is no backup type '" + std::string(name) + "'")
          .with_hint("Choose full, incremental or differential."));
}

std::string_view to_string(Status status) {
  return status == Status::kComplete ? "complete" : "partial";
}

void encode_snapshot(const Snapshot& snapshot, Bytes& out) {
  RecordWriter writer(out);
  writer.number(kVersion, kRecordVersion);
  encode_timestamp(writer, kStartedSeconds, snapshot.started);
  encode_timestamp(writer, kFinishedSeconds, snapshot.finished);
  encode_text(writer, kHost, snapshot.host);
  encode_text(writer, kUser, snapshot.user);
  encode_list(writer, kPath, snapshot.paths);
  encode_list(writer, kTag, snapshot.tags);
  encode_text(writer, kDescription, snapshot.description);
  writer.number(kBackupType, static_cast<std::uint64_t>(snapshot.type));
  if (snapshot.parent) writer.bytes(kParent, snapshot.parent->view());
  writer.number(kStatus, static_cast<std::uint64_t>(snapshot.status));
  writer.bytes(kTree, encode_tree(snapshot.tree));
  writer.bytes(kCounts, encode_counts(snapshot.stats));
  encode_list(writer, kExclude, snapshot.excludes);
  encode_text(writer, kProgram, snapshot.program);
  const std::size_t errors = std::min(snapshot.errors.size(), kRecordedErrorsMax);
  for (std::size_t i = 0; i < errors; ++i) writer.bytes(kError, encode_error(snapshot.errors[i]));
  encode_names(writer, kUserName, snapshot.user_names);
  encode_names(writer, kGroupName, snapshot.group_names);
  if (snapshot.larger_left_out > 0) writer.number(kLargerLeftOut, snapshot.larger_left_out);
  encode_list(writer, kPlaceLeftOut, snapshot.places_left_out);
  if (snapshot.lease) writer.bytes(kCommitLease, snapshot.lease->view());
  encode_text(writer, kOrigin, snapshot.origin);
  if (snapshot.repaired) writer.bytes(kRepaired, encode_repaired(*snapshot.repaired));
  if (snapshot.by_write_only_key) writer.number(kByWriteOnlyKey, 1);
}

Result<Snapshot> decode_snapshot(ByteView record) {
  if (record.size() > kSnapshotBytesMax) return snapshot_corruption("it is longer than 16 MiB");
  Snapshot snapshot;
  FieldScan scan(record, kSnapshotShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.is_bytes) {
      TRY(take_snapshot_bytes(snapshot, field.number, field.value_bytes));
    } else {
      TRY(take_snapshot_number(snapshot, field.number, field.value_number));
    }
  }
  if (!scan.seen().has_all(kSnapshotRequired)) return snapshot_corruption("a field is missing");
  if (!ascends_strictly(snapshot.paths) || !std::ranges::all_of(snapshot.paths, is_clean)) {
    return snapshot_corruption("its paths are not clean and ascending");
  }
  if (!ascends_strictly(snapshot.places_left_out) ||
      !std::ranges::all_of(snapshot.places_left_out, is_clean)) {
    return snapshot_corruption("the places it leaves out are not clean and ascending");
  }
  if (!ascends_strictly(snapshot.tags)) return snapshot_corruption("its tags do not ascend");
  return snapshot;
}

namespace {

constexpr std::size_t kShownBytesMax = 4096;
constexpr std::size_t kShownEndBytes = 256;
constexpr std::string_view kGap = "[...]";

}  // namespace

std::string shortened(const std::string& text) {
  if (text.size() <= kShownBytesMax) return text;
  return text.substr(0, kShownEndBytes) + std::string(kGap) +
         text.substr(text.size() - kShownEndBytes);
}

bool may_be_shortened(std::string_view text) {
  return text.size() == 2 * kShownEndBytes + kGap.size() &&
         text.substr(kShownEndBytes, kGap.size()) == kGap;
}

}  // namespace backstay::snapshot
