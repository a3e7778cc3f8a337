#include "base/suggest.h"

#include <algorithm>

namespace backstay {
namespace {

// Optimal string alignment distance, row by row.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view typed, const std::vector<std::string>& words) {
  const std::size_t letters = typed.size() - std::min(typed.find_first_not_of('-'), typed.size());
  const std::size_t slips_max = letters <= 3 ? 1 : letters <= 6 ? 2 : 3;
  std::optional<std::string> best;
  std::size_t best_distance = slips_max + 1;
  for (const std::string& word : words) {
    const std::size_t slips = distance(typed, word);
    if (slips < best_distance) {
      best = word;
      best_distance = slips;
    }
  }
  if (best) return best;
  const auto begun = std::ranges::find_if(
      words, [&](const std::string& word) { return letters >= 2 && word.starts_with(typed); });
  return begun == words.end() ? std::nullopt : std::optional(*begun);
}

}  // namespace backstay
