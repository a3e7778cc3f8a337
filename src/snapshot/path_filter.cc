#include "snapshot/path_filter.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "base/try.h"

namespace backstay::snapshot {

namespace {

constexpr std::string_view kAnyFolders = "**";
constexpr std::string_view kBlanks = " \t\r";

// The components of a path from left to right. Copies are cheap: the matcher goes back to one.
class ComponentReader {
 public:
  explicit ComponentReader(std::string_view path) : rest_(path) { skip_slashes(); }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  std::string_view next() {
    const std::string_view component = rest_.substr(0, rest_.find('/'));
    rest_.remove_prefix(component.size());
    skip_slashes();
    return component;
  }

 private:
  void skip_slashes() { rest_.remove_prefix(std::min(rest_.find_first_not_of('/'), rest_.size())); }
  std::string_view rest_;
};

enum class Outcome : std::uint8_t {
  kMismatch,
  kMatch,     // the path or a folder above it
  kTooShort,  // something below the path can still match
};

// The same scheme as glob_matches, a component in the place of a character and `**` in the place of
// `*`.
Outcome match_components(std::span<const std::string> pattern, bool anchored, Case sensitivity,
                         std::string_view path, Reach reach = Reach::kBelowToo) {
  ComponentReader reader(path);
  ComponentReader after_star = reader;
  std::size_t at = 0;
  std::size_t at_after_star = 0;
  bool star = !anchored;
  while (true) {
    const bool used_up = at == pattern.size();
    if (used_up && (reach == Reach::kBelowToo || reader.done())) return Outcome::kMatch;
    if (!used_up && pattern[at] == kAnyFolders) {
      star = true;
      at_after_star = ++at;
      after_star = reader;
      continue;
    }
    if (!used_up && reader.done()) return Outcome::kTooShort;
    if (!used_up && glob_matches(pattern[at], reader.next(), sensitivity)) {
      ++at;
    } else if (star) {
      after_star.next();
      reader = after_star;
      at = at_after_star;
    } else {
      return Outcome::kMismatch;
    }
  }
}

std::unexpected<Error> malformed(std::string_view pattern, std::string_view problem) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("pattern '{}': {}", pattern, problem))
          .with_hint("Write a backslash before a special character that stands for itself."));
}

Result<std::vector<std::string>> split_components(std::string_view whole,
                                                  std::string_view pattern) {
  std::vector<std::string> components;
  ComponentReader reader(pattern);
  while (!reader.done()) {
    const std::string_view component = reader.next();
    if (component == ".") continue;
    if (component == "..") return malformed(whole, "'..' never matches");
    const std::string_view defect = glob_defect(component);
    if (!defect.empty()) return malformed(whole, defect);
    const bool repeats =
        component == kAnyFolders && !components.empty() && components.back() == component;
    if (!repeats) components.emplace_back(component);
  }
  return components;
}

// Without the blanks around it. A blank after a backslash belongs to the pattern.
std::string_view trim(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::size_t last = line.find_last_not_of(kBlanks);
  std::size_t end = last == std::string_view::npos ? 0 : last + 1;
  const std::size_t backslashes_from = line.substr(0, end).find_last_not_of('\\') + 1;
  if ((end - backslashes_from) % 2 == 1 && end < line.size()) ++end;
  return line.substr(0, end);
}

}  // namespace

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

Result<void> PathFilter::add(std::string_view pattern, Case sensitivity) {
  std::string_view rest = pattern;
  Pattern parsed;
  parsed.text = pattern;
  parsed.sensitivity = sensitivity;
  parsed.negated = rest.starts_with('!');
  if (parsed.negated) rest.remove_prefix(1);
  if (rest.empty()) return malformed(pattern, "it is empty");
  parsed.anchored = rest.starts_with('/');
  parsed.components = TRY(split_components(pattern, rest));
  if (parsed.components.empty() && !parsed.anchored) return malformed(pattern, "it names nothing");
  patterns_.push_back(std::move(parsed));
  return {};
}

Result<void> PathFilter::add_lines(std::string_view text, Case sensitivity) {
  text = without_byte_order_mark(text);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    TRY_DOING(fmt::format("line {}", number), add(line, sensitivity));
  }
  return {};
}

bool PathFilter::matches(std::string_view path, Reach reach) const {
  const auto matched = [&](const Pattern& pattern) {
    return match_components(pattern.components, pattern.anchored, pattern.sensitivity, path,
                            reach) == Outcome::kMatch;
  };
  const auto last = std::find_if(patterns_.rbegin(), patterns_.rend(), matched);
  return last != patterns_.rend() && !last->negated;
}

void PathFilter::note_matching(std::string_view path, std::set<std::size_t>& seen) const {
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    const Pattern& pattern = patterns_[i];
    if (pattern.negated || seen.contains(i)) continue;
    if (match_components(pattern.components, pattern.anchored, pattern.sensitivity, path) ==
        Outcome::kMatch)
      seen.insert(i);
  }
}

std::vector<std::string> PathFilter::not_among(const std::set<std::size_t>& seen) const {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    if (!patterns_[i].negated && !seen.contains(i)) texts.push_back(patterns_[i].text);
  }
  return texts;
}

bool PathFilter::may_match_below(std::string_view path) const {
  return std::ranges::any_of(patterns_, [path](const Pattern& pattern) {
    return !pattern.negated && match_components(pattern.components, pattern.anchored,
                                                pattern.sensitivity, path) != Outcome::kMismatch;
  });
}

}  // namespace backstay::snapshot
