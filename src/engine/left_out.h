// What a backup was told to leave out, or could not read: that a snapshot does not have it says
// nothing about whether it was there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "snapshot/path_filter.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

// True for `path` when it lies inside of `folder`, and is not the folder itself.
[[nodiscard]] bool is_below(std::string_view path, std::string_view folder);

class LeftOut {
 public:
  // `snapshot` outlives it. invalid_argument when it names a pattern that makes no sense.
  static Result<LeftOut> of(const snapshot::Snapshot& snapshot);

  // By patterns, under any reading of them, or because of its place.
  [[nodiscard]] bool may_fit(const std::string& path) const;
  // The same, or for its size.
  [[nodiscard]] bool has(const std::string& path, const snapshot::Entry& existing) const;
  [[nodiscard]] bool was_unreadable(const std::string& path) const;

 private:
  // A pattern of the backup, whose record does not tell whether capital and small letters counted.
  struct Pattern {
    bool negated = false;
    snapshot::PathFilter sensitive;  // without the negation
    snapshot::PathFilter insensitive;
  };
  explicit LeftOut(const snapshot::Snapshot& snapshot) : snapshot_(&snapshot) {}
  Result<void> add_pattern(std::string_view text);
  [[nodiscard]] bool may_fit_a_pattern(const std::string& path) const;

  const snapshot::Snapshot* snapshot_;
  std::vector<Pattern> patterns_;
};

}  // namespace backstay::engine
