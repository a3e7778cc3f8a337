#include "repo/snapshot_note.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/record.h"
#include "base/try.h"
#include "repo/sealed_record.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

using snapshot::FieldScan;
using snapshot::FieldSet;
using snapshot::record_corruption;
using snapshot::RecordShape;

constexpr RecordShape kTagChangeShape{.name = "change of tags",
                                      .last = 9,
                                      .bytes = FieldSet(1, 4, 5, 8, 9),
                                      .repeated = FieldSet(4, 5)};
constexpr RecordShape kHoldShape{
    .name = "hold", .last = 11, .bytes = FieldSet(1, 7, 8, 9), .repeated = {}};
constexpr std::uint64_t kNoteNanosMax = 999'999'999;

Result<std::uint32_t> note_nanos(const RecordShape& shape, std::uint64_t value) {
  if (value > kNoteNanosMax) return record_corruption(shape.name, "its time is absurd");
  return static_cast<std::uint32_t>(value);
}

// Fields 1 and 2: what the name says too, so that no note can be moved to another snapshot.
Result<void> check_subject(const RecordShape& shape, const Field& field, const NoteName& name) {
  const bool same = field.number == 1 ? same_bytes(field.value_bytes, name.snapshot.view())
                                      : field.value_number == name.number;
  if (same) return {};
  return record_corruption(shape.name, "its name and its content disagree");
}

void take_author_name(NoteAuthor& author, const Field& field) {
  (field.number == 8 ? author.host : author.user) = as_text(field.value_bytes);
}

bool ascends(const std::vector<std::string>& tags) {
  return std::ranges::adjacent_find(tags, std::greater_equal<>()) == tags.end() &&
         (tags.empty() || !tags.front().empty());
}

Result<std::string> store_note(Repository& repository, ObjectKind kind,
                               const snapshot::SnapshotId& snapshot,
                               const std::function<void(const NoteName&, Bytes&)>& encode) {
  NoteName name{.snapshot = ObjectId{snapshot.bytes}, .number = 1, .bytes = {}};
  for (const ListedNote& other : TRY(list_notes(repository.store(), kind))) {
    if (other.name.snapshot == name.snapshot)
      name.number = std::max(name.number, other.name.number + 1);
  }
  // Anybody can put an object with the last number there; the hash keeps names apart.
  name.number = std::min(name.number, kNoteNumberMax);
  Bytes record;
  encode(name, record);
  const Bytes stored = TRY(
      seal_record(kind, record, repository.keyring(), repository.config(), repository.world().rng));
  if (stored.size() > kPlainObjectMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the {} is larger than 1 MiB", to_string(kind)));
  }
  name.bytes = id_of(stored);
  std::string object = note_name(kind, name);
  TRY(repository.store().put(object, stored));
  TRY(repository.store().barrier());
  return object;
}

// Its record; what is no note of this repository is corruption.
Result<Bytes> read_note(Repository& repository, ObjectKind kind, const ListedNote& note) {
  const Bytes stored = TRY(get_object(repository.store(), note.object, kPlainObjectMax));
  if (id_of(stored) != note.name.bytes)
    return fail(ErrorCode::kCorruption, "its bytes do not match its name");
  return open_record(kind, stored, repository.keyring(), repository.config().id);
}

}  // namespace

void encode_tag_change(const TagChange& change, const NoteName& name, Bytes& out) {
  RecordWriter writer(out);
  writer.bytes(1, name.snapshot.view());
  writer.number(2, name.number);
  if (change.replaces) writer.number(3, 1);
  for (const std::string& tag : change.removed) writer.text(4, tag);
  for (const std::string& tag : change.added) writer.text(5, tag);
  writer.signed_number(6, change.author.time.seconds);
  writer.number(7, change.author.time.nanos);
  writer.text(8, change.author.host);
  writer.text(9, change.author.user);
}

Result<TagChange> decode_tag_change(ByteView record, const NoteName& name) {
  TagChange change;
  FieldScan scan(record, kTagChangeShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
      case 2:
        TRY(check_subject(kTagChangeShape, field, name));
        break;
      case 3:
        if (field.value_number != 1)
          return record_corruption(kTagChangeShape.name, "field 3 is not 1");
        change.replaces = true;
        break;
      case 4:
        change.removed.emplace_back(as_text(field.value_bytes));
        break;
      case 5:
        change.added.emplace_back(as_text(field.value_bytes));
        break;
      case 6:
        change.author.time.seconds = unzigzag(field.value_number);
        break;
      case 7:
        change.author.time.nanos = TRY(note_nanos(kTagChangeShape, field.value_number));
        break;
      default:
        take_author_name(change.author, field);
    }
  }
  if (!scan.seen().has_all(FieldSet(1, 2)) || !ascends(change.removed) || !ascends(change.added))
    return record_corruption(kTagChangeShape.name, "it is incomplete or out of order");
  return change;
}

std::vector<std::string> apply_change(const TagChange& change, std::vector<std::string> tags) {
  if (change.replaces) tags.clear();
  std::erase_if(tags, [&](const std::string& tag) {
    return std::ranges::binary_search(change.removed, tag);
  });
  tags.insert(tags.end(), change.added.begin(), change.added.end());
  std::ranges::sort(tags);
  const auto rest = std::ranges::unique(tags);
  tags.erase(rest.begin(), rest.end());
  return tags;
}

void encode_hold(const Hold& hold, const NoteName& name, Bytes& out) {
  RecordWriter writer(out);
  writer.bytes(1, name.snapshot.view());
  writer.number(2, name.number);
  writer.signed_number(3, hold.author.time.seconds);
  writer.number(4, hold.author.time.nanos);
  if (hold.until) {
    writer.signed_number(5, hold.until->seconds);
    writer.number(6, hold.until->nanos);
  }
  writer.text(7, hold.reason);
  writer.text(8, hold.author.host);
  writer.text(9, hold.author.user);
  if (hold.locked) writer.number(10, 1);
  if (hold.legal) writer.number(11, 1);
}

Result<Hold> decode_hold(ByteView record, const NoteName& name) {
  Hold hold;
  Timestamp until;
  FieldScan scan(record, kHoldShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
      case 2:
        TRY(check_subject(kHoldShape, field, name));
        break;
      case 3:
        hold.author.time.seconds = unzigzag(field.value_number);
        break;
      case 4:
        hold.author.time.nanos = TRY(note_nanos(kHoldShape, field.value_number));
        break;
      case 5:
        until.seconds = unzigzag(field.value_number);
        break;
      case 6:
        until.nanos = TRY(note_nanos(kHoldShape, field.value_number));
        break;
      case 7:
        hold.reason = as_text(field.value_bytes);
        break;
      case 10:
        hold.locked = field.value_number != 0;
        break;
      case 11:
        hold.legal = field.value_number != 0;
        break;
      default:
        take_author_name(hold.author, field);
    }
  }
  const bool half = scan.seen().has(5) != scan.seen().has(6);
  if (!scan.seen().has_all(FieldSet(1, 2)) || half)
    return record_corruption(kHoldShape.name, "it is incomplete");
  if (scan.seen().has(5)) hold.until = until;
  if (hold.locked && !hold.until)
    return record_corruption(kHoldShape.name, "it is locked for ever");
  if (hold.legal && hold.until)
    return record_corruption(kHoldShape.name, "it is a legal hold with an end");
  return hold;
}

bool StoredHold::binds(Timestamp now) const {
  return !readable || !hold.until || now < *hold.until;
}

Result<std::vector<ListedNote>> list_notes(backend::Backend& store, ObjectKind kind) {
  std::vector<ListedNote> notes;
  TRY(store.list(name_prefix(kind), [&](const backend::ObjectInfo& info) -> Result<void> {
    if (const auto name = parse_note_name(kind, info.name))
      notes.push_back({.object = info.name, .name = *name});
    return {};
  }));
  // The digits of a name stand in the order that counts.
  std::ranges::sort(notes, {}, &ListedNote::object);
  return notes;
}

Result<void> verify_note(Repository& repository, ObjectKind kind, const ListedNote& note) {
  const auto record = TRY(read_note(repository, kind, note));
  if (kind == ObjectKind::kHold)
    TRY(decode_hold(record, note.name));
  else
    TRY(decode_tag_change(record, note.name));
  return {};
}

Result<std::vector<StoredHold>> list_holds(Repository& repository) {
  std::vector<StoredHold> holds;
  for (ListedNote& note : TRY(list_notes(repository.store(), ObjectKind::kHold))) {
    const auto record = read_note(repository, ObjectKind::kHold, note);
    if (!record && record.error().code() == ErrorCode::kNotFound) continue;
    if (!record && !is_damage(record.error().code()))
      return std::unexpected(record.error().clone().with_context("reading a hold"));
    StoredHold stored{.object = std::move(note.object),
                      .snapshot = {note.name.snapshot.bytes},
                      .hold = {},
                      .readable = false};
    auto hold = record ? decode_hold(*record, note.name)
                       : Result<Hold>(std::unexpected(record.error().clone()));
    if (hold) {
      stored.hold = std::move(*hold);
      stored.readable = true;
    }
    holds.push_back(std::move(stored));
  }
  return holds;
}

Result<std::vector<StoredTagChange>> list_tag_changes(Repository& repository) {
  std::vector<StoredTagChange> changes;
  for (const ListedNote& note : TRY(list_notes(repository.store(), ObjectKind::kTagChange))) {
    const auto record = read_note(repository, ObjectKind::kTagChange, note);
    const bool absent = !record && (is_damage(record.error().code()) ||
                                    record.error().code() == ErrorCode::kNotFound);
    if (absent) continue;
    if (!record)
      return std::unexpected(record.error().clone().with_context("reading a change of tags"));
    auto change = decode_tag_change(*record, note.name);
    if (change)
      changes.push_back({.snapshot = {note.name.snapshot.bytes}, .change = *std::move(change)});
  }
  return changes;
}

Result<std::string> store_hold(Repository& repository, const snapshot::SnapshotId& snapshot,
                               const Hold& hold) {
  return store_note(repository, ObjectKind::kHold, snapshot,
                    [&](const NoteName& name, Bytes& record) { encode_hold(hold, name, record); });
}

Result<std::string> store_tag_change(Repository& repository, const snapshot::SnapshotId& snapshot,
                                     const TagChange& change) {
  return store_note(
      repository, ObjectKind::kTagChange, snapshot,
      [&](const NoteName& name, Bytes& record) { encode_tag_change(change, name, record); });
}

Result<void> apply_tag_changes(Repository& repository, std::vector<StoredSnapshot>& snapshots) {
  std::map<ObjectId, StoredSnapshot*> by_id;
  for (StoredSnapshot& stored : snapshots) by_id[ObjectId{stored.id.bytes}] = &stored;
  for (const ListedNote& note : TRY(list_notes(repository.store(), ObjectKind::kTagChange))) {
    const auto found = by_id.find(note.name.snapshot);
    if (found == by_id.end()) continue;
    const auto record = read_note(repository, ObjectKind::kTagChange, note);
    if (!record && record.error().code() == ErrorCode::kNotFound) {
      // Only what was forgotten loses its changes.
      const auto head =
          repository.store().head(object_name(ObjectKind::kSnapshot, note.name.snapshot));
      if (!head && head.error().code() != ErrorCode::kNotFound)
        return std::unexpected(head.error().clone().with_context("reading a change of tags"));
      if (head) found->second->tags_known = false;
      continue;
    }
    if (!record && !is_damage(record.error().code()))
      return std::unexpected(record.error().clone().with_context("reading a change of tags"));
    auto change = record ? decode_tag_change(*record, note.name)
                         : Result<TagChange>(std::unexpected(record.error().clone()));
    StoredSnapshot& stored = *found->second;
    if (change)
      stored.snapshot.tags = apply_change(*change, std::move(stored.snapshot.tags));
    else
      stored.tags_known = false;
  }
  return {};
}

}  // namespace backstay::repo
