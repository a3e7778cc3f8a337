#include "cli/exclusion_options.h"

namespace backstay::cli {

void append_exclusion_options(std::vector<Option>& options, Patterns& excludes,
                              source::FileSourceOptions& source) {
  append_pattern_options(options, "exclude", "-e,", excludes, "leave out what fits this pattern");
  options.push_back(flag("--exclude-caches", source.exclude_caches,
                         "leave out what is in folders with a CACHEDIR.TAG, the tag aside"));
  options.push_back(
      texts("--exclude-if-present", "NAME", source.exclude_if_present,
            "leave out the content of folders that hold a file of this name, that file aside"));
  options.push_back(
      size("--exclude-larger-than", source.exclude_larger_than, "leave out larger files"));
  options.push_back(flag("-x,--one-file-system", source.one_file_system,
                         "stay on the file systems that the paths are on"));
}

}  // namespace backstay::cli
