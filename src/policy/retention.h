// Which snapshots are kept, and why: a pure function of facts, rules and a moment.
//
// Rules mean what restic's flags of the same name mean (docs/retention.md). What a rule cannot do,
// whatever it says: take the newest complete snapshot of a source or of a group, one that is held,
// one whose backup is not finished, one whose tags are not known, or one whose time lies in the
// future. The last three count for nothing, so that a clock that once ran ahead, or a snapshot that
// its writer takes back, does not push out what is good.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "policy/calendar.h"
#include "snapshot/snapshot.h"

namespace backstay::policy {

inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

struct Retention {
  std::uint64_t last = 0;                                 // the newest so many
  std::array<std::uint64_t, kCalendars.size()> counts{};  // the newest of so many days, ...
  std::optional<Period> within;                           // all of this span before the newest one
  std::array<std::optional<Period>, kCalendars.size()>
      within_each;                             // of each day of this span, ...
  std::vector<std::vector<std::string>> tags;  // those with all tags of any of these sets
  std::optional<std::uint64_t> size_bytes;     // the newest that together stored no more
  // True when no rule keeps anything.
  [[nodiscard]] bool empty() const;
};

// What snapshots must have in common so that the rules count them together.
struct Grouping {
  bool host = true;
  bool paths = true;
  bool tags = false;
};
// "host,paths", "tags", "none", ...
Result<Grouping> parse_grouping(std::string_view text);

struct SnapshotFacts {
  snapshot::SnapshotId id;
  Timestamp time;
  std::string host;
  std::vector<std::string> paths;
  std::vector<std::string> tags;
  std::uint64_t bytes_stored = 0;
  bool complete = true;
  bool tags_known = true;           // false when a change of its tags cannot be read
  bool finished = true;             // false while its writer may still take it back
  bool selected = true;             // false: it is there, and not to be decided about
  std::optional<std::string> held;  // "until 2027-01-01 00:00:00", or empty: until released
};

enum class Rule : std::uint8_t {
  kLast,
  kCalendar,
  kWithin,
  kWithinCalendar,
  kTag,
  kSize,
  kHeld,
  kNewestOfSource,
  kNewestOfGroup,
  kFuture,
  kTagsUnknown,
  kUnfinished,
  kNamed,
  kNone,
};
[[nodiscard]] std::string_view to_string(Rule rule);  // "last", "newest_of_source", ...

struct Reason {
  Rule rule = Rule::kNone;
  std::string text;  // "daily 2026-11-20", "within 7d", "held until ..."
  friend bool operator==(const Reason&, const Reason&) = default;
};

enum class Decision : std::uint8_t { kKeep, kRemove };
[[nodiscard]] std::string_view to_string(Decision decision);

struct Verdict {
  std::size_t index = 0;  // into what was given
  Decision decision = Decision::kKeep;
  std::vector<Reason> reasons;  // never empty
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

struct Group {
  // What its members have in common; empty where that was not asked for.
  std::string host;
  std::vector<std::string> paths;
  std::vector<std::string> tags;
  std::vector<Verdict> verdicts;  // newest first
};

struct Moment {
  Timestamp now;  // by the store's clock where it has one
  UtcOffset zone;
};

// Decides about the selected ones, in groups by host, paths and tags. The order in which snapshots
// are given does not matter.
[[nodiscard]] std::vector<Group> judge(const std::vector<SnapshotFacts>& snapshots,
                                       const Retention& retention, const Grouping& grouping,
                                       const Moment& moment);

// Of every source (a host and its paths) the newest complete snapshot, or the newest one where none
// is complete; those of the future or not finished only where there are no others.
[[nodiscard]] std::vector<std::size_t> newest_of_sources(
    const std::vector<SnapshotFacts>& snapshots, Timestamp now);

}  // namespace backstay::policy
