// What a backup is of: the paths and patterns that its options name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "snapshot/path_filter.h"

namespace backstay::cli {

// Lines of a list: blank ones and those that start with '#' are left out, blanks at both ends too.
[[nodiscard]] std::vector<std::string> lines_of_list(std::string_view text);
// Names ended by a zero byte, taken as they are.
[[nodiscard]] std::vector<std::string> names_of_raw_list(std::string_view bytes);
// Files that a glob pattern names; the text itself when it is no pattern or nothing fits it.
[[nodiscard]] std::vector<std::string> expand_glob(const std::string& pattern);
// Symbolic links above the paths (absolute, clean, sorted), which a backup follows. A link inside
// another given path is kept as a link and does not count.
[[nodiscard]] std::vector<std::string> links_on_the_way(const std::vector<std::string>& paths);
// Those of the paths that are symbolic links to something that is there.
[[nodiscard]] std::vector<std::string> links_among(const std::vector<std::string>& paths);
// A list from a file, or from standard input for "-".
Result<std::string> read_list(const std::string& path, const std::stop_token& stop);

// Patterns collected from options, in the order of the command line, because later ones may take
// back earlier ones.
struct Patterns {
  snapshot::PathFilter filter;
  std::vector<std::string> texts;  // for the snapshot's record
};
// --NAME, --iNAME, --NAME-file and --iNAME-file ("exclude", "include").
void append_pattern_options(std::vector<Option>& options, const std::string& name,
                            const std::string& short_name, Patterns& target,
                            const std::string& what);

}  // namespace backstay::cli
