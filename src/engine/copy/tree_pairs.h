// The trees of a snapshot and of its copy, walked side by side.
#pragma once

#include <optional>
#include <string>

#include "repo/repository.h"
#include "snapshot/tree.h"

namespace backstay::engine::copying {

// corruption, with the path.
[[nodiscard]] std::unexpected<Error> fail_comparison(const std::string& key, const char* what);

struct TreePair {
  snapshot::TreeItem original;
  snapshot::TreeItem copy;
};

class TreePairs {
 public:
  TreePairs(repo::Repository& from, const snapshot::TreeRoot& original, repo::Repository& to,
            const snapshot::TreeRoot& copy)
      : original_(from, original), copy_(to, copy) {}

  // The next entry of both: the same name, the same attributes; their content is for the caller to
  // compare. Nothing when both have ended; corruption when they differ.
  Result<std::optional<TreePair>> next();

 private:
  snapshot::TreeCursor original_;
  snapshot::TreeCursor copy_;
};

}  // namespace backstay::engine::copying
