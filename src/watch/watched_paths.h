// Which paths count: the given ones and what is below them, but for what is left out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "watch/change_set.h"

namespace backstay::watch {

class WatchedPaths {
 public:
  using LeavesOut = std::function<bool(const std::string& path)>;

  // Absolute and clean. `leaves_out` may be empty; a folder that it says true of is left out with
  // all that is in it.
  WatchedPaths(std::vector<std::string> given, LeavesOut leaves_out);

  [[nodiscard]] const std::vector<std::string>& given() const { return given_; }
  // A given path or below one, and nothing on the way down to it is left out.
  [[nodiscard]] bool counts(const std::string& path) const;

 private:
  const std::vector<std::string> given_;
  const LeavesOut leaves_out_;
};

}  // namespace backstay::watch
