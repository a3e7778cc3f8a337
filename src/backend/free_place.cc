#include "backend/free_place.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/file.h"

namespace backstay::backend {

Result<void> check_folder_is_free(std::string_view where, std::span<const std::string> names) {
  if (std::ranges::find(names, "config") != names.end()) return {};
  for (const std::string& name : names) {
    if (name == "lost+found" || name == "keys" || name.starts_with(io::kTemporaryPrefix)) continue;
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("the folder {} is not empty: it holds {}", where, name))
            .with_hint("A repository has a folder of its own: choose an empty one, or one that "
                       "does not exist yet."));
  }
  return {};
}

Result<void> check_store_is_free(const Result<std::unique_ptr<Backend>>& opened,
                                 std::string_view place, GoneStore gone) {
  if (!opened && opened.error().code() == ErrorCode::kNoRepository) return {};
  if (!opened) return std::unexpected(opened.error().clone());
  Backend& store = **opened;
  const auto config = store.head("config");
  if (config) return {};
  if (gone == GoneStore::kIsFree && config.error().code() == ErrorCode::kNoRepository) return {};
  return store.list("", [&](const ObjectInfo& info) -> Result<void> {
    // What an init that was cut left behind, and who asked the store what it can do.
    if (info.name.starts_with("keys/") || info.name.starts_with("leases/")) return {};
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} is not empty: it holds {}", store.describe(), info.name))
            .with_hint(
                fmt::format("A repository has a place of its own: choose another {}.", place)));
  });
}

}  // namespace backstay::backend
