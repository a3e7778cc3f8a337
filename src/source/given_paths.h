// The paths that a user gave, as sorted tree keys.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::source {

class GivenPaths {
 public:
  // A part of the sorted keys.
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
    [[nodiscard]] bool empty() const { return begin == end; }
  };

  // Absolute and clean paths, in any order, repeated ones count once.
  explicit GivenPaths(const std::vector<std::string>& paths);

  [[nodiscard]] Range all() const { return {0, keys_.size()}; }
  // Those in `range` that are `key` or within it.
  [[nodiscard]] Range within(Range range, std::string_view key) const;
  [[nodiscard]] bool contains(Range range, std::string_view key) const;
  // `range` without `key` itself.
  [[nodiscard]] Range below(Range range, std::string_view key) const;
  // The first components of the keys in `range` below the folder `key`, ascending, each once.
  [[nodiscard]] std::vector<std::string_view> names_below(Range range, std::string_view key) const;

  [[nodiscard]] const std::string& key_at(std::size_t index) const { return keys_[index]; }
  // True for a folder that stands above a given path and is in none itself. The user named it on
  // the way, so it may be a symbolic link; anything found by the walk may not.
  [[nodiscard]] bool is_only_above(std::string_view key) const;

 private:
  std::vector<std::string> keys_;
  std::size_t longest_ = 0;
};

}  // namespace backstay::source
