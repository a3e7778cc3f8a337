#include "engine/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"
#include "engine/safety_snapshot.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

namespace {

constexpr std::size_t kPrefixMin = 8;
constexpr std::uint32_t kLastNano = 999'999'999;

Error no_such_snapshot(std::string_view which) {
  return Error(ErrorCode::kNotFound, fmt::format("no snapshot fits '{}'", which))
      .with_hint("List them with 'backstay snapshots'.");
}

// "latest" and "latest~N": how many from the end, or nothing.
std::optional<std::size_t> parse_latest(std::string_view which) {
  if (which == "latest") return 0;
  if (!which.starts_with("latest~")) return std::nullopt;
  which.remove_prefix(7);
  std::size_t back = 0;
  const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), back);
  if (error != std::errc{} || end != which.data() + which.size()) return std::nullopt;
  return back;
}

// Of a copy: what its original was called.
std::string id_of_original(const snapshot::Snapshot& snapshot) {
  return snapshot.origin.substr(snapshot.origin.rfind('/') + 1);
}

Result<repo::StoredSnapshot> select_by_prefix(
    const std::vector<const repo::StoredSnapshot*>& candidates, std::string_view which) {
  const bool hex = which.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!hex || which.size() < kPrefixMin || which.size() > 64) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("'{}' does not name a snapshot", which))
            .with_hint("Give latest, latest~N, @TIME, or at least 8 digits of an id."));
  }
  const bool by_id = std::ranges::any_of(
      candidates, [&](const auto* one) { return one->id.hex().starts_with(which); });
  const repo::StoredSnapshot* found = nullptr;
  for (const repo::StoredSnapshot* candidate : candidates) {
    const std::string id = by_id ? candidate->id.hex() : id_of_original(candidate->snapshot);
    if (!id.starts_with(which)) continue;
    // Of two copies of one snapshot either will do.
    const bool same =
        found != nullptr && !by_id && candidate->snapshot.origin == found->snapshot.origin;
    if (found != nullptr && !same) {
      return std::unexpected(Error(ErrorCode::kInvalidArgument,
                                   fmt::format("several snapshots begin with '{}'", which))
                                 .with_hint("Give more digits of the id."));
    }
    found = candidate;
  }
  if (found == nullptr) return std::unexpected(no_such_snapshot(which));
  return *found;
}

template <typename Values>
bool contains_all(const Values& have, const Values& wanted) {
  return std::ranges::all_of(
      wanted, [&](const auto& value) { return std::ranges::find(have, value) != have.end(); });
}

}  // namespace

bool fits(const snapshot::Snapshot& snapshot, const SnapshotFilter& filter) {
  return (filter.host.empty() || filter.host == snapshot.host) &&
         contains_all(snapshot.tags, filter.tags) && contains_all(snapshot.paths, filter.paths);
}

SnapshotArgument parse_snapshot_argument(std::string_view text) {
  const std::size_t colon = text.find(":/");
  if (colon == std::string_view::npos) return {.which = std::string(text), .subpath = {}};
  return {.which = std::string(text.substr(0, colon)),
          .subpath = snapshot::clean_path(text.substr(colon + 1), "/")};
}

Result<repo::StoredSnapshot> select_snapshot(const std::vector<repo::StoredSnapshot>& snapshots,
                                             const SnapshotFilter& filter, std::string_view which,
                                             Timestamp now) {
  std::vector<const repo::StoredSnapshot*> candidates;
  for (const repo::StoredSnapshot& snapshot : snapshots) {
    if (fits(snapshot.snapshot, filter)) candidates.push_back(&snapshot);
  }
  const bool by_time = which.starts_with('@') || parse_latest(which).has_value();
  const bool has_others = std::ranges::any_of(
      candidates, [](const auto* one) { return !is_safety_snapshot(one->snapshot); });
  if (by_time && has_others) {
    std::erase_if(candidates, [](const auto* one) { return is_safety_snapshot(one->snapshot); });
  }
  if (const auto back = parse_latest(which)) {
    if (*back >= candidates.size()) return std::unexpected(no_such_snapshot(which));
    return *candidates[candidates.size() - 1 - *back];
  }
  if (which.starts_with('@')) {
    Timestamp at = TRY(parse_time(which.substr(1), now));
    // Times are shown without what is less than a second: whoever gives one back means all of it.
    if (at.nanos == 0) at.nanos = kLastNano;
    for (auto it = candidates.rbegin(); it != candidates.rend(); ++it) {
      if ((*it)->snapshot.started <= at) return **it;
    }
    return std::unexpected(no_such_snapshot(which));
  }
  return select_by_prefix(candidates, which);
}

}  // namespace backstay::engine
