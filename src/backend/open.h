// From a repository URL to the backend behind it.
#pragma once

#include <memory>
#include <string_view>

#include "backend/backend.h"
#include "backend/store_world.h"
#include "base/error.h"

namespace backstay::backend {

enum class OpenKind : std::uint8_t {
  kOpen,    // not_found where nothing is
  kRead,    // the same, and nothing in it is changed, not even what dead writers left behind
  kCreate,  // makes the place where it is missing
};

// "s3" of "s3://bucket"; empty for a path. A path with a colon before its first slash needs "./".
[[nodiscard]] std::string_view scheme_of(std::string_view url);

// Takes "/path", "relative/path", "file:///path" (with %XX for bytes that a URL cannot hold),
// "s3://BUCKET/PREFIX?...", "azure://CONTAINER/PREFIX?...", "sftp://USER@HOST:PORT/PATH",
// "ftps://..." (also ftp:), "webdavs://..." (also webdav:), "backstays://HOST:PORT/NAME" (also
// backstay:) and "placement:FILE". `invalid_argument` for the other schemes of docs/cli.md, whose
// backends are not in this version. Calls of stores in the network are tried again (RetryBackend).
Result<std::unique_ptr<Backend>> open_backend(std::string_view url, OpenKind kind,
                                              const StoreWorld& world);

// already_exists when the place for a new repository holds something else. Nothing there, an empty
// folder, what file systems put into a fresh disk, and what an init that was cut left behind are
// free; so is a repository, because whoever creates one there is told of it.
Result<void> check_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend
