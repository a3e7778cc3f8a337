#include "backend/s3/open_s3.h"

#include <fmt/format.h>

#include "backend/s3/s3_backend.h"
#include "base/try.h"

namespace backstay::backend::s3 {

Result<std::unique_ptr<Backend>> open_s3(std::string_view url, OpenKind kind,
                                         const StoreWorld& world) {
  return TRY(S3Backend::open(TRY(parse_address(url)),
                             {world.variable, world.clock, world.rng, world.stop}, kind));
}

Result<void> check_s3_is_free(std::string_view url, const StoreWorld& world) {
  const auto opened = open_s3(url, OpenKind::kOpen, world);
  if (!opened && opened.error().code() == ErrorCode::kNoRepository) return {};
  if (!opened) return std::unexpected(opened.error().clone());
  Backend& store = **opened;
  const auto config = store.head("config");
  if (config || config.error().code() == ErrorCode::kNoRepository) return {};
  return store.list("", [&](const ObjectInfo& info) -> Result<void> {
    // What an init that was cut left behind, and who asked the store what it can do.
    if (info.name.starts_with("keys/") || info.name.starts_with("leases/")) return {};
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} is not empty: it holds {}", store.describe(), info.name))
            .with_hint("A repository has a place of its own: choose another prefix."));
  });
}

}  // namespace backstay::backend::s3
