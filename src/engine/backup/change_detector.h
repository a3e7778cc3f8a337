// What changed since the parent snapshot: the walk and the parent's tree are both sorted, so that
// one pass over both is enough and nothing is kept in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "engine/backup/ordered_entries.h"
#include "engine/backup/parent_entries.h"
#include "repo/repository.h"
#include "snapshot/tree.h"

namespace backstay::engine::backup_stages {

class ChangeDetector {
 public:
  // As source::Source::read_attributes().
  using ReadAttributes = std::function<void(source::SourceItem& item)>;
  // Without a parent everything is new. `paths` are those of the series.
  ChangeDetector(repo::Repository& repository, const std::optional<snapshot::TreeRoot>& parent,
                 const std::vector<std::string>& paths, ReadAttributes read_attributes,
                 Activity& activity);

  // Compares one item; items come in key order. What the kernel says to be the same gets the
  // attributes of the parent's entry, a file also its content, provided that the index still knows
  // all of its chunks: what was lost is read and stored again. Entries of other kinds than files
  // are complete after that.
  Compared compare(source::SourceItem& item);
  // Counts what only the parent has after the last item.
  void finish();
  // Entries of the parent that are no folders and that the walk did not give.
  [[nodiscard]] std::uint64_t deleted() const { return deleted_; }
  // Whether anything differs, besides the folders above the paths of the series: strangers change
  // those all the time.
  [[nodiscard]] bool found_change() const { return found_change_; }

 private:
  void advance();
  void advance_to(const std::string& key);
  void pass_deleted();
  void give_up(const Error& error);
  Compared compare_with_parent(source::SourceItem& item);
  void read_attributes(source::SourceItem& item) const;
  [[nodiscard]] bool leads_to_a_path(const source::SourceItem& item) const;

  const std::vector<std::string>& paths_;
  const ReadAttributes read_attributes_;
  Activity& activity_;
  std::optional<ParentEntries> parent_;
  ParentEntry* head_ = nullptr;  // the first one that the walk has not reached; null at the end
  std::uint64_t deleted_ = 0;
  bool found_change_ = false;
};

}  // namespace backstay::engine::backup_stages
