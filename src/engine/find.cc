#include "engine/find.h"

#include <algorithm>

#include <re2/re2.h>

#include "base/try.h"
#include "snapshot/tree_key.h"
#include "snapshot/tree_search.h"

namespace backstay::engine {

struct PathExpression::State {
  State(std::string_view pattern, const RE2::Options& options)
      : expression(re2::StringPiece(pattern.data(), pattern.size()), options) {}
  RE2 expression;
};

Result<PathExpression> PathExpression::make(std::string_view pattern, snapshot::Case sensitivity) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(sensitivity == snapshot::Case::kSensitive);
  PathExpression made;
  made.state_ = std::make_shared<const State>(pattern, options);
  if (made.state_->expression.ok()) return made;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            "'" + std::string(pattern) +
                "' is no regular expression: " + made.state_->expression.error())
          .with_hint(
              "Without --regex, PATTERN is a pattern as for --exclude: *.conf, /etc/**/*.d"));
}

bool PathExpression::matches(std::string_view path) const {
  return RE2::PartialMatch(re2::StringPiece(path.data(), path.size()), state_->expression);
}

namespace {

bool path_fits(const FindQuery& query, const std::string& key) {
  if (query.patterns.empty() && query.expressions.empty()) return true;
  const std::string path = snapshot::path_from_key(key);
  return query.patterns.matches(path, snapshot::Reach::kItself) ||
         std::ranges::any_of(query.expressions,
                             [&](const PathExpression& one) { return one.matches(path); });
}

bool entry_fits(const FindQuery& query, const snapshot::Entry& entry) {
  if (!query.types.empty() && !query.types.contains(entry.type)) return false;
  if (query.size_min || query.size_max) {
    if (entry.type != snapshot::EntryType::kFile) return false;
    if (entry.size_bytes < query.size_min.value_or(0)) return false;
    if (query.size_max && entry.size_bytes > *query.size_max) return false;
  }
  if (query.modified_from && entry.modified < *query.modified_from) return false;
  return !query.modified_to || entry.modified <= *query.modified_to;
}

}  // namespace

Result<std::vector<FoundEntry>> find_entries(repo::Repository& repository,
                                             const std::vector<repo::StoredSnapshot>& snapshots,
                                             const FindQuery& query, Activity& activity) {
  const auto damaged = [&](const Error& error) -> Result<void> {
    if (!repo::is_damage_or_loss(error.code())) return std::unexpected(error.clone());
    activity.report("", error);
    return {};
  };
  const auto key_fits = [&](const std::string& key) {
    return !activity.stop.stop_requested() && path_fits(query, key);
  };
  const auto fits = [&](const snapshot::Entry& entry) { return entry_fits(query, entry); };
  snapshot::TreeSearch search(repository, {.key = key_fits, .entry = fits}, damaged);

  std::vector<std::vector<std::size_t>> found_in;
  activity.progress.files_total = snapshots.size();
  for (std::size_t number = 0; number < snapshots.size(); ++number) {
    activity.progress.set_current("snapshot " + snapshots[number].id.short_hex());
    TRY_DOING("searching snapshot " + snapshots[number].id.short_hex(),
              search.search(snapshots[number].snapshot.tree, [&](std::uint32_t match) {
                found_in.resize(search.matches().size());
                found_in[match].push_back(number);
              }));
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    ++activity.progress.files_done;
  }
  found_in.resize(search.matches().size());
  std::vector<FoundEntry> found;
  for (std::size_t i = 0; i < found_in.size(); ++i) {
    const snapshot::TreeSearch::Match& match = search.matches()[i];
    found.push_back({snapshot::path_from_key(match.key), match.entry, std::move(found_in[i])});
  }
  std::ranges::sort(found, [](const FoundEntry& a, const FoundEntry& b) {
    return std::tie(a.path, a.snapshots) < std::tie(b.path, b.snapshots);
  });
  return found;
}

}  // namespace backstay::engine
