// What is said about a snapshot goes along with its copy: changes of tags, and holds that bind.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/forget_fence.h"
#include "repo/snapshot_note.h"

namespace backstay::engine::copying {

// All notes of one repository, read once.
struct Notes {
  std::vector<repo::StoredTagChange> tag_changes;
  std::vector<repo::StoredHold> holds;
  static Result<Notes> of(repo::Repository& repository);
};

// A copy has the tags that its original was committed with, and then each change of them, as it was
// made. What it has already, and what was changed about the copy alone, stays as it is. Holds that
// were released, or whose time is over, are not carried.
class NoteCarrier {
 public:
  NoteCarrier(repo::Repository& to, Notes from, Notes there, Timestamp now, ForgetWait wait)
      : to_(to),
        from_(std::move(from)),
        there_(std::move(there)),
        now_(now),
        wait_(std::move(wait)) {}

  struct Carried {
    std::uint64_t notes = 0;
    bool held_by_unreadable = false;        // one that could not be carried, and binds
    std::optional<Timestamp> locked_until;  // the longest lock of the copy that was carried now
  };
  // Durable when it returns. not_found when the copy was forgotten meanwhile.
  Result<Carried> carry(const snapshot::SnapshotId& original, const snapshot::SnapshotId& copy);
  // With what is said about originals now.
  void look_again(Notes from) { from_ = std::move(from); }

 private:
  [[nodiscard]] bool has(const snapshot::SnapshotId& copy, const repo::TagChange& change) const;
  [[nodiscard]] bool has(const snapshot::SnapshotId& copy, const repo::Hold& hold) const;

  repo::Repository& to_;
  Notes from_;
  Notes there_;
  const Timestamp now_;  // by the clock of the store that is copied from
  const ForgetWait wait_;
};

}  // namespace backstay::engine::copying
