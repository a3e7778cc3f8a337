// restic's REST protocol, both versions:
// https://restic.readthedocs.io/en/latest/100_references.html
// ("REST Backend"). Its repositories are laid out as restic lays them out in a folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/asked.h"

namespace backstay::store {

// What a path asks for: "/team/web1/data/3f..." is the object data/3f/3f... of team/web1.
struct ResticPath {
  std::string repository;
  std::string type;    // "data", ..., "config"; empty: the repository itself
  std::string object;  // as it is stored; empty: all of the type
};
// invalid_argument for what restic never asks for.
Result<ResticPath> parse_restic_path(std::string_view path);

Result<void> answer_restic_request(const Asked& asked, const ResticPath& path);

}  // namespace backstay::store
