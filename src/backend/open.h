// From a repository URL to the backend behind it.
#pragma once

#include <memory>
#include <string_view>

#include "backend/backend.h"
#include "base/error.h"

namespace backstay::backend {

enum class OpenKind : std::uint8_t {
  kOpen,    // not_found where nothing is
  kCreate,  // makes the place where it is missing
};

// Takes "/path", "relative/path" and "file:///path" (with %XX for bytes that a URL cannot hold).
// `invalid_argument` for the other schemes of docs/cli.md, whose backends are not in this version.
Result<std::unique_ptr<Backend>> open_backend(std::string_view url, OpenKind kind);

// already_exists when the place for a new repository holds something else. Nothing there, an empty
// folder, what file systems put into a fresh disk, and what an init that was cut left behind are
// free; so is a repository, because whoever creates one there is told of it.
Result<void> check_is_free(std::string_view url);

}  // namespace backstay::backend
