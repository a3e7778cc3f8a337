// Which paths belong to a backup or a restore: glob patterns as restic reads them.
//
// `*` and `?` and `[...]` match within one component (snapshot/glob.h), a component `**` matches
// any number of components, none included. A pattern with a leading '/' is matched from the root,
// any other from every component on ("*.o", "cache/tmp"). A pattern that matches a folder matches
// everything below it. A leading '!' takes back what an earlier pattern matched. A trailing '/'
// changes nothing: paths here have no type. A backslash takes the special meaning from the next
// character.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "snapshot/glob.h"

namespace backstay::snapshot {

// Some editors begin a file of patterns with one.
[[nodiscard]] std::string_view without_byte_order_mark(std::string_view text);

// Whether a pattern that matches a folder matches what is below it, too.
enum class Reach : std::uint8_t { kBelowToo, kItself };

class PathFilter {
 public:
  // Fails with invalid_argument and names the pattern that is malformed.
  Result<void> add(std::string_view pattern, Case sensitivity);
  // A file of patterns: one a line, '#' starts a comment line, blank lines are skipped. Blanks
  // around a pattern do not count, unless a backslash stands before them.
  Result<void> add_lines(std::string_view text, Case sensitivity);

  // Patterns that are not negated and not in `seen` yet and match `path`, or a folder above it, are
  // added to it, by their numbers.
  void note_matching(std::string_view path, std::set<std::size_t>& seen) const;
  // Those that are not in `seen`, as they were given.
  [[nodiscard]] std::vector<std::string> not_among(const std::set<std::size_t>& seen) const;

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  // True when the last pattern that matches `path` (absolute; or, kBelowToo, one of its parent
  // folders) is positive.
  [[nodiscard]] bool matches(std::string_view path, Reach reach = Reach::kBelowToo) const;
  // False only when nothing below the folder `path` can match: lets an --include restore skip whole
  // folders.
  [[nodiscard]] bool may_match_below(std::string_view path) const;

 private:
  struct Pattern {
    std::string text;
    std::vector<std::string> components;
    bool anchored = false;
    bool negated = false;
    Case sensitivity = Case::kSensitive;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace backstay::snapshot
