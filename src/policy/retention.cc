#include "policy/retention.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "base/byte_size.h"

namespace backstay::policy {

namespace {

// Clocks of two machines may differ by that much without anything being wrong.
constexpr std::int64_t kClockToleranceSeconds = 600;

using Reasons = std::vector<std::vector<Reason>>;  // of every snapshot given

bool lies_in_the_future(const SnapshotFacts& snapshot, Timestamp now) {
  const std::int64_t limit = now.seconds + kClockToleranceSeconds;
  return std::tie(snapshot.time.seconds, snapshot.time.nanos) > std::tie(limit, now.nanos);
}

// Whether it may stand for its source: what others are measured by.
bool is_certain(const SnapshotFacts& snapshot, Timestamp now) {
  return snapshot.finished && !lies_in_the_future(snapshot, now);
}

// Rules may ask for tags, choose by them, and group by them.
bool counts(const SnapshotFacts& snapshot, Timestamp now) {
  return snapshot.tags_known && is_certain(snapshot, now);
}

// Of several snapshots of one moment their ids decide, as they do in lists.
void sort_newest_first(std::vector<std::size_t>& indices,
                       const std::vector<SnapshotFacts>& snapshots) {
  std::ranges::sort(indices, [&](std::size_t a, std::size_t b) {
    return std::tie(snapshots[a].time, snapshots[a].id) >
           std::tie(snapshots[b].time, snapshots[b].id);
  });
}

// The snapshots of one group that rules count, newest first.
class Series {
 public:
  Series(const std::vector<SnapshotFacts>& snapshots, std::vector<std::size_t> indices,
         const UtcOffset& zone, Reasons& reasons)
      : snapshots_(snapshots), indices_(std::move(indices)), zone_(zone), reasons_(reasons) {}

  void keep_last(std::uint64_t count) {
    for (std::size_t i = 0; i < indices_.size() && i < count; ++i)
      keep(i, Rule::kLast, fmt::format("last {}", i + 1));
  }

  // The newest of each of the newest `count` days. Where days are left when the list ends, the
  // oldest one too: it is as far back as one can go.
  void keep_each(Calendar calendar, std::uint64_t count) {
    std::optional<Bucket> last;
    for (std::size_t i = 0; i < indices_.size() && count > 0; ++i) {
      const bool oldest = i + 1 == indices_.size();
      if (!first_of_bucket(calendar, i, last) && !oldest) continue;
      keep(i, Rule::kCalendar, name_of(calendar, i));
      if (count != kUnlimited) --count;
    }
  }

  void keep_within(const Period& period) {
    const std::size_t count = count_within(period);
    for (std::size_t i = 0; i < count; ++i) keep(i, Rule::kWithin, "within " + to_string(period));
  }

  void keep_each_within(Calendar calendar, const Period& period) {
    const std::size_t count = count_within(period);
    std::optional<Bucket> last;
    for (std::size_t i = 0; i < count; ++i) {
      const bool oldest = i + 1 == indices_.size();
      if (!first_of_bucket(calendar, i, last) && !oldest) continue;
      keep(i, Rule::kWithinCalendar,
           fmt::format("within {} {}", to_string(period), name_of(calendar, i)));
    }
  }

  void keep_tagged(const std::vector<std::string>& tags) {
    for (std::size_t i = 0; i < indices_.size(); ++i) {
      const std::vector<std::string>& has = at(i).tags;
      const bool all = std::ranges::all_of(
          tags, [&](const std::string& tag) { return std::ranges::find(has, tag) != has.end(); });
      if (all) keep(i, Rule::kTag, fmt::format("tag {}", fmt::join(tags, ",")));
    }
  }

  void keep_size(std::uint64_t limit) {
    std::uint64_t left = limit;
    for (std::size_t i = 0; i < indices_.size() && at(i).bytes_stored <= left; ++i) {
      left -= at(i).bytes_stored;
      keep(i, Rule::kSize, "newest " + format_byte_size(limit));
    }
  }

 private:
  [[nodiscard]] const SnapshotFacts& at(std::size_t i) const { return snapshots_[indices_[i]]; }
  void keep(std::size_t i, Rule rule, std::string text) {
    reasons_[indices_[i]].push_back({.rule = rule, .text = std::move(text)});
  }
  [[nodiscard]] std::string name_of(Calendar calendar, std::size_t i) const {
    return fmt::format("{} {}", to_string(calendar), bucket_name(calendar, at(i).time, zone_));
  }
  bool first_of_bucket(Calendar calendar, std::size_t i, std::optional<Bucket>& last) const {
    const Bucket bucket = bucket_of(calendar, at(i).time, zone_);
    return std::exchange(last, bucket) != bucket;
  }
  // Spans count from the newest snapshot, not from now: what is no longer backed up is not lost by
  // waiting.
  [[nodiscard]] std::size_t count_within(const Period& period) const {
    if (indices_.empty()) return 0;
    const Timestamp limit = before(at(0).time, period, zone_);
    std::size_t count = 0;
    while (count < indices_.size() && at(count).time > limit) ++count;
    return count;
  }

  const std::vector<SnapshotFacts>& snapshots_;
  std::vector<std::size_t> indices_;
  const UtcOffset& zone_;
  Reasons& reasons_;
};

void apply(const Retention& retention, Series& series) {
  series.keep_last(retention.last);
  for (std::size_t i = 0; i < kCalendars.size(); ++i)
    series.keep_each(kCalendars[i], retention.counts[i]);
  if (retention.within) series.keep_within(*retention.within);
  for (std::size_t i = 0; i < kCalendars.size(); ++i) {
    if (retention.within_each[i]) series.keep_each_within(kCalendars[i], *retention.within_each[i]);
  }
  for (const std::vector<std::string>& tags : retention.tags) series.keep_tagged(tags);
  if (retention.size_bytes.value_or(0) > 0) series.keep_size(*retention.size_bytes);
}

// The newest complete one, else the newest one. `indices` is newest first and not empty.
std::size_t newest_good(std::span<const std::size_t> indices,
                        const std::vector<SnapshotFacts>& snapshots) {
  const auto found =
      std::ranges::find_if(indices, [&](std::size_t i) { return snapshots[i].complete; });
  return found == indices.end() ? indices.front() : *found;
}

std::string newest_text(std::string_view of, const SnapshotFacts& snapshot) {
  if (snapshot.complete) return fmt::format("the newest good snapshot of this {}", of);
  return fmt::format("the newest snapshot of this {}, where none is complete", of);
}

struct GroupKey {
  std::string host;
  std::vector<std::string> paths;
  std::vector<std::string> tags;
  friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};

GroupKey key_of(const SnapshotFacts& snapshot, const Grouping& grouping) {
  GroupKey key;
  if (grouping.host) key.host = snapshot.host;
  if (grouping.paths) key.paths = snapshot.paths;
  if (grouping.tags) key.tags = snapshot.tags;
  return key;
}

// What keeps a snapshot whatever the rules are.
void protect(const std::vector<SnapshotFacts>& snapshots, Timestamp now, Reasons& reasons) {
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    const SnapshotFacts& snapshot = snapshots[i];
    if (snapshot.held) {
      const std::string space = snapshot.held->empty() ? "" : " ";
      reasons[i].push_back({.rule = Rule::kHeld, .text = "held" + space + *snapshot.held});
    }
    if (lies_in_the_future(snapshot, now))
      reasons[i].push_back({.rule = Rule::kFuture, .text = "its time lies in the future"});
    if (!snapshot.tags_known)
      reasons[i].push_back({.rule = Rule::kTagsUnknown, .text = "its tags cannot be read"});
    if (!snapshot.finished)
      reasons[i].push_back({.rule = Rule::kUnfinished, .text = "its backup is not finished"});
  }
  for (const std::size_t i : newest_of_sources(snapshots, now)) {
    reasons[i].push_back(
        {.rule = Rule::kNewestOfSource, .text = newest_text("source", snapshots[i])});
  }
}

bool is_newest_of_source(const std::vector<Reason>& reasons) {
  return std::ranges::find(reasons, Rule::kNewestOfSource, &Reason::rule) != reasons.end();
}

}  // namespace

bool Retention::empty() const {
  const auto given = [](const auto& span) { return span.has_value(); };
  return last == 0 && std::ranges::all_of(counts, [](std::uint64_t n) { return n == 0; }) &&
         !within && std::ranges::none_of(within_each, given) && tags.empty() &&
         size_bytes.value_or(0) == 0;
}

Result<Grouping> parse_grouping(std::string_view text) {
  Grouping grouping{.host = false, .paths = false, .tags = false};
  std::string_view rest = text == "none" ? "" : text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view word = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (word == "host") {
      grouping.host = true;
    } else if (word == "paths" || word == "path") {
      grouping.paths = true;
    } else if (word == "tags" || word == "tag") {
      grouping.tags = true;
    } else {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is none of: host, paths, tags, none", word));
    }
  }
  return grouping;
}

std::string_view to_string(Rule rule) {
  switch (rule) {
    case Rule::kLast:
      return "last";
    case Rule::kCalendar:
      return "calendar";
    case Rule::kWithin:
      return "within";
    case Rule::kWithinCalendar:
      return "within_calendar";
    case Rule::kTag:
      return "tag";
    case Rule::kSize:
      return "size";
    case Rule::kHeld:
      return "held";
    case Rule::kNewestOfSource:
      return "newest_of_source";
    case Rule::kNewestOfGroup:
      return "newest_of_group";
    case Rule::kFuture:
      return "future";
    case Rule::kTagsUnknown:
      return "tags_unknown";
    case Rule::kUnfinished:
      return "unfinished";
    case Rule::kNamed:
      return "named";
    case Rule::kNone:
      return "none";
  }
  return "";
}

std::string_view to_string(Decision decision) {
  return decision == Decision::kKeep ? "keep" : "remove";
}

std::vector<std::size_t> newest_of_sources(const std::vector<SnapshotFacts>& snapshots,
                                           Timestamp now) {
  std::map<GroupKey, std::pair<std::vector<std::size_t>, std::vector<std::size_t>>> sources;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    auto& [certain, others] = sources[key_of(snapshots[i], {})];
    (is_certain(snapshots[i], now) ? certain : others).push_back(i);
  }
  std::vector<std::size_t> newest;
  for (auto& [key, indices] : sources) {
    auto& of = indices.first.empty() ? indices.second : indices.first;
    sort_newest_first(of, snapshots);
    newest.push_back(newest_good(of, snapshots));
  }
  return newest;
}

std::vector<Group> judge(const std::vector<SnapshotFacts>& snapshots, const Retention& retention,
                         const Grouping& grouping, const Moment& moment) {
  std::map<GroupKey, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (snapshots[i].selected) groups[key_of(snapshots[i], grouping)].push_back(i);
  }
  Reasons reasons(snapshots.size());
  for (auto& [key, indices] : groups) {
    sort_newest_first(indices, snapshots);
    std::vector<std::size_t> counted = indices;
    std::erase_if(counted, [&](std::size_t i) { return !counts(snapshots[i], moment.now); });
    Series series(snapshots, std::move(counted), moment.zone, reasons);
    apply(retention, series);
  }
  protect(snapshots, moment.now, reasons);

  std::vector<Group> judged;
  for (const auto& [key, indices] : groups) {
    std::vector<std::size_t> present = indices;
    std::erase_if(present, [&](std::size_t i) { return !counts(snapshots[i], moment.now); });
    if (!present.empty()) {
      const std::size_t newest = newest_good(present, snapshots);
      if (!is_newest_of_source(reasons[newest])) {
        reasons[newest].push_back(
            {.rule = Rule::kNewestOfGroup, .text = newest_text("group", snapshots[newest])});
      }
    }
    Group group{.host = key.host, .paths = key.paths, .tags = key.tags, .verdicts = {}};
    for (const std::size_t i : indices) {
      Verdict verdict{.index = i, .decision = Decision::kKeep, .reasons = std::move(reasons[i])};
      if (verdict.reasons.empty()) {
        verdict.decision = Decision::kRemove;
        verdict.reasons.push_back({.rule = Rule::kNone, .text = "no rule keeps it"});
      }
      group.verdicts.push_back(std::move(verdict));
    }
    judged.push_back(std::move(group));
  }
  return judged;
}

}  // namespace backstay::policy
