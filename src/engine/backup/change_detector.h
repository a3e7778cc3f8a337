// What changed since the parent snapshot: the walk and the parent's tree are both sorted, so that
// one pass over both is enough and nothing is kept in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/activity.h"
#include "engine/backup/ordered_entries.h"
#include "repo/repository.h"
#include "snapshot/tree.h"

namespace backstay::engine::backup_stages {

class ChangeDetector {
 public:
  // Without a parent everything is new.
  ChangeDetector(repo::Repository& repository, const std::optional<snapshot::TreeRoot>& parent,
                 Activity& activity);

  // Compares one item; items come in key order. An unmodified file gets the parent's content,
  // provided that the index still knows all of its chunks: what was lost is read and stored again.
  Compared compare(source::SourceItem& item);
  // The parent's entry for an item that the source has only looked at yet, when nothing shows that
  // it changed. The pointer lives until the next call.
  [[nodiscard]] const snapshot::Entry* find_unchanged(const source::SourceItem& seen);
  // Counts what only the parent has after the last item.
  void finish();
  // Entries of the parent that are no folders and that the walk did not give.
  [[nodiscard]] std::uint64_t deleted() const { return deleted_; }

 private:
  void advance();
  void advance_to(const std::string& key);
  void give_up(const Error& error);
  [[nodiscard]] bool content_is_stored(const snapshot::Entry& entry);

  repo::Repository& repository_;
  Activity& activity_;
  std::optional<snapshot::TreeCursor> cursor_;
  std::optional<snapshot::TreeItem> head_;
  std::uint64_t deleted_ = 0;
};

}  // namespace backstay::engine::backup_stages
