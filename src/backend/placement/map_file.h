// The file that "placement:FILE" names: how to reach the stores, and what a person wishes of them.
// What holds is the map that lies in the stores; the file is compared with it when a map is made
// and when it is changed.
//
//   copies: 2                # or shards: 4+2
//   quorum: 2                # parts that are stored before a write counts; default: all
//   stores:
//     cellar:
//       url: /mnt/cellar
//       weight: 4            # default 1
//       domain: house        # default: a domain of its own
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/placement/map.h"
#include "base/error.h"

namespace backstay::backend::placement {

struct FileStore {
  std::string name;
  std::string url;
  std::uint32_t weight = 1;
  std::string domain;
};

struct MapFile {
  Redundancy redundancy;
  std::optional<unsigned> quorum;
  std::vector<FileStore> stores;  // by ascending name
  [[nodiscard]] unsigned quorum_or_all() const { return quorum.value_or(redundancy.width()); }
  [[nodiscard]] const FileStore* find(std::string_view name) const;
};

inline constexpr std::size_t kMapFileBytesMax = 256 * 1024;

// YAML 1.2. invalid_argument with "FILE:LINE:COLUMN: what". `path` is for messages.
Result<MapFile> parse_map_file(std::string_view text, std::string_view path);
// Relative paths in URLs count from the folder of the file.
Result<MapFile> read_map_file(const std::string& path);

}  // namespace backstay::backend::placement
