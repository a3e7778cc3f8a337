// Folders of this machine that a restore never deletes, replaces or writes into: the repository it
// reads from and the cache. Known by device and inode, so that no link, bind mount or other
// spelling of a path hides them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace backstay::engine::restoring {

class KeptPlaces {
 public:
  // Paths that do not exist, or are no paths at all (repositories elsewhere), keep nothing.
  explicit KeptPlaces(const std::vector<std::string>& paths);

  enum class Part : std::uint8_t {
    kNone,
    kItself,
    kOnTheWay,  // a folder above it, or a symbolic link in its path
  };
  [[nodiscard]] Part part_of(std::uint64_t device, std::uint64_t inode) const;

  // Fails when the target is such a folder or lies in one. The target need not exist yet.
  Result<void> check_target(const std::string& target) const;

 private:
  using Inode = std::pair<std::uint64_t, std::uint64_t>;
  std::vector<Inode> themselves_;
  std::vector<Inode> on_the_way_;
};

// The folder itself, or the nearest one above it that exists.
[[nodiscard]] std::string existing_folder(std::string path);

}  // namespace backstay::engine::restoring
