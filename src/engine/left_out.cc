#include "engine/left_out.h"

#include <algorithm>
#include <utility>

#include "base/try.h"

namespace backstay::engine {

bool is_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.size() > 1;
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

Result<LeftOut> LeftOut::of(const snapshot::Snapshot& snapshot) {
  LeftOut left_out(snapshot);
  for (const std::string& pattern : snapshot.excludes) TRY(left_out.add_pattern(pattern));
  return left_out;
}

Result<void> LeftOut::add_pattern(std::string_view text) {
  text = snapshot::without_byte_order_mark(text);
  Pattern pattern;
  pattern.negated = text.starts_with('!');
  if (pattern.negated) text.remove_prefix(1);
  TRY(pattern.sensitive.add(text, snapshot::Case::kSensitive));
  TRY(pattern.insensitive.add(text, snapshot::Case::kInsensitive));
  patterns_.push_back(std::move(pattern));
  return {};
}

// One fits as soon as it fits in one of the two ways, and a negated one takes back only what it
// fits in both.
bool LeftOut::may_fit_a_pattern(const std::string& path) const {
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    const bool one = pattern->sensitive.matches(path);
    const bool other = pattern->insensitive.matches(path);
    if (pattern->negated ? one && other : one || other) return !pattern->negated;
  }
  return false;
}

bool LeftOut::may_fit(const std::string& path) const {
  if (may_fit_a_pattern(path)) return true;
  return std::ranges::any_of(snapshot_->places_left_out, [&](const std::string& place) {
    return place == path || is_below(path, place);
  });
}

bool LeftOut::has(const std::string& path, const snapshot::Entry& existing) const {
  const std::uint64_t limit = snapshot_->larger_left_out;
  if (limit > 0 && existing.type == snapshot::EntryType::kFile && existing.size_bytes > limit)
    return true;
  return may_fit(path);
}

bool LeftOut::was_unreadable(const std::string& path) const {
  return std::ranges::any_of(snapshot_->errors, [&](const snapshot::SourceError& error) {
    return error.path == path || is_below(path, error.path) || is_below(error.path, path);
  });
}

}  // namespace backstay::engine
