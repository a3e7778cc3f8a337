// The verb find: which files of which snapshots fit a description.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/entry.h"
#include "snapshot/path_filter.h"

namespace backstay::engine {

// A regular expression in RE2's syntax, which matches in time proportional to the text.
class PathExpression {
 public:
  // invalid_argument says what is wrong with `pattern`.
  static Result<PathExpression> make(std::string_view pattern, snapshot::Case sensitivity);
  // Anywhere in `path`; bytes that are no UTF-8 match no character but "any byte" (\C).
  [[nodiscard]] bool matches(std::string_view path) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// An entry fits when its path fits a pattern or an expression (where there are any), and all else
// that is asked for holds.
struct FindQuery {
  snapshot::PathFilter patterns;  // each matches an entry itself, not what is below it
  std::vector<PathExpression> expressions;
  std::set<snapshot::EntryType> types;    // empty: any
  std::optional<std::uint64_t> size_min;  // bytes; what is no regular file has no size, and fails
  std::optional<std::uint64_t> size_max;
  std::optional<Timestamp> modified_from;
  std::optional<Timestamp> modified_to;
};

// The same entry in however many snapshots.
struct FoundEntry {
  std::string path;
  snapshot::Entry entry;
  std::vector<std::size_t> snapshots;  // numbers of those that were given, ascending
};
// By path, and what is the same path in the order of the snapshots. Damage is reported, and what it
// touches is not found.
Result<std::vector<FoundEntry>> find_entries(repo::Repository& repository,
                                             const std::vector<repo::StoredSnapshot>& snapshots,
                                             const FindQuery& query, Activity& activity);

}  // namespace backstay::engine
