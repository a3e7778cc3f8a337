// Small objects about a snapshot that is never rewritten: holds and changes of its tags
// (docs/format.md sections 7.1 and 7.2).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "repo/repository.h"

namespace backstay::repo {

// Who made a note, and when: display only.
struct NoteAuthor {
  Timestamp time;
  std::string host;
  std::string user;
  friend bool operator==(const NoteAuthor&, const NoteAuthor&) = default;
};

// ---- changes of tags
struct TagChange {
  bool replaces = false;  // all earlier tags are taken away first
  std::vector<std::string> removed;
  std::vector<std::string> added;
  NoteAuthor author;
  friend bool operator==(const TagChange&, const TagChange&) = default;
};
void encode_tag_change(const TagChange& change, const NoteName& name, Bytes& out);
Result<TagChange> decode_tag_change(ByteView record, const NoteName& name);
// `tags` and the result are sorted and unique.
[[nodiscard]] std::vector<std::string> apply_change(const TagChange& change,
                                                    std::vector<std::string> tags);

struct StoredTagChange {
  snapshot::SnapshotId snapshot;
  TagChange change;
};
// All that can be read, by snapshot, number and name.
Result<std::vector<StoredTagChange>> list_tag_changes(Repository& repository);

// ---- holds
struct Hold {
  std::optional<Timestamp> until;  // by the store's clock; nothing: until it is released
  std::string reason;
  NoteAuthor author;
  bool locked = false;  // not released before its time; has one
  bool legal = false;   // the store keeps what the snapshot needs until it is released; has no time
  friend bool operator==(const Hold&, const Hold&) = default;
};
void encode_hold(const Hold& hold, const NoteName& name, Bytes& out);
Result<Hold> decode_hold(ByteView record, const NoteName& name);

struct StoredHold {
  std::string object;  // its name
  snapshot::SnapshotId snapshot;
  Hold hold;
  bool readable = true;  // one that is not binds, and does not say until when
  [[nodiscard]] bool binds(Timestamp now) const;
};
// All of them, by snapshot and number. Those that are removed meanwhile are left out.
Result<std::vector<StoredHold>> list_holds(Repository& repository);

// ---- both
struct ListedNote {
  std::string object;
  NoteName name;
};
// By snapshot, number and name. `kind` is kHold or kTagChange.
Result<std::vector<ListedNote>> list_notes(backend::Backend& store, ObjectKind kind);

// Whether it opens and is about the snapshot that its name says: corruption, not_found.
Result<void> verify_note(Repository& repository, ObjectKind kind, const ListedNote& note);

// Durable when they return the object's name.
Result<std::string> store_hold(Repository& repository, const snapshot::SnapshotId& snapshot,
                               const Hold& hold);
Result<std::string> store_tag_change(Repository& repository, const snapshot::SnapshotId& snapshot,
                                     const TagChange& change);

// Brings the tags of snapshots up to date; where a change cannot be read, tags_known becomes false.
Result<void> apply_tag_changes(Repository& repository, std::vector<StoredSnapshot>& snapshots);

}  // namespace backstay::repo
