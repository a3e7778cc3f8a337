#include "cli/source_paths.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/byte_size.h"
#include "base/try.h"
#include "io/file.h"
#include "io/stream.h"

namespace backstay::cli {
namespace {

constexpr std::size_t kListMax = 1 * kGiB;
constexpr std::size_t kPatternFileMax = 16 * kMiB;
constexpr int kStandardInput = 0;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string> pieces(std::string_view text, char end) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find(end), text.size());
    out.emplace_back(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

// Whether it is a symbolic link that leads to a file or folder.
bool is_link(const std::string& path) {
  const auto itself = io::file_info(path, io::Links::kStay);
  if (!itself || itself->is_directory || itself->is_regular) return false;
  const auto target = io::file_info(path);
  return target && (target->is_directory || target->is_regular);
}

SetValue add_pattern(Patterns& target, snapshot::Case sensitivity) {
  return [&target, sensitivity](std::string_view pattern) -> Result<void> {
    TRY(target.filter.add(pattern, sensitivity));
    target.texts.emplace_back(pattern);
    return {};
  };
}

SetValue add_pattern_file(Patterns& target, snapshot::Case sensitivity) {
  return [&target, sensitivity](std::string_view path) -> Result<void> {
    const Bytes text = TRY(io::read_file(std::string(path), kPatternFileMax));
    TRY_DOING(fmt::format("reading patterns in {}", path),
              target.filter.add_lines(as_text(text), sensitivity));
    // As the filter reads it: the record must not name other patterns than those that were used.
    const std::string_view list = snapshot::without_byte_order_mark(as_text(text));
    for (std::string& line : lines_of_list(list)) target.texts.push_back(std::move(line));
    return {};
  };
}

}  // namespace

std::vector<std::string> lines_of_list(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string& line : pieces(text, '\n')) {
    const std::string_view content = trimmed(line);
    if (!content.empty() && !content.starts_with('#')) lines.emplace_back(content);
  }
  return lines;
}

std::vector<std::string> names_of_raw_list(std::string_view bytes) {
  std::vector<std::string> names = pieces(bytes, '\0');
  std::erase(names, "");
  return names;
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  if (paths.empty()) paths.push_back(pattern);
  return paths;
}

std::vector<std::string> links_on_the_way(const std::vector<std::string>& paths) {
  std::set<std::string> seen;
  std::vector<std::string> links;
  for (const std::string& path : paths) {
    for (std::size_t end = path.find('/', 1); end != std::string::npos;
         end = path.find('/', end + 1)) {
      std::string above = path.substr(0, end);
      if (std::ranges::binary_search(paths, above)) break;
      if (!seen.insert(above).second) continue;
      if (is_link(above)) links.push_back(std::move(above));
    }
  }
  return links;
}

std::vector<std::string> links_among(const std::vector<std::string>& paths) {
  std::vector<std::string> links;
  std::ranges::copy_if(paths, std::back_inserter(links), is_link);
  return links;
}

Result<std::string> read_list(const std::string& path, const std::stop_token& stop) {
  if (path != "-") return std::string(as_text(TRY(io::read_file_or_stream(path, kListMax, stop))));
  const Bytes bytes = TRY_DOING("reading names from standard input",
                                io::read_whole_stream(kStandardInput, kListMax, stop));
  return std::string(as_text(bytes));
}

void append_pattern_options(std::vector<Option>& options, const std::string& name,
                            const std::string& short_name, Patterns& target,
                            const std::string& what) {
  using snapshot::Case;
  const auto add = [&](std::string names, std::string value, std::string help, SetValue set) {
    options.push_back({.names = std::move(names),
                       .value = std::move(value),
                       .help = std::move(help),
                       .set = std::move(set),
                       .counts = Counts::kAll});
  };
  add(fmt::format("{}--{}", short_name, name), "GLOB", what, add_pattern(target, Case::kSensitive));
  add(fmt::format("--i{}", name), "GLOB", "the same, capital and small letters alike",
      add_pattern(target, Case::kInsensitive));
  add(fmt::format("--{}-file", name), "FILE", "patterns from a file, one a line",
      add_pattern_file(target, Case::kSensitive));
  add(fmt::format("--i{}-file", name), "FILE", "the same, capital and small letters alike",
      add_pattern_file(target, Case::kInsensitive));
}

}  // namespace backstay::cli
