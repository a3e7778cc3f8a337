#include "backend/s3/open_s3.h"

#include "backend/free_place.h"
#include "backend/s3/s3_backend.h"
#include "base/try.h"

namespace backstay::backend::s3 {

Result<std::unique_ptr<Backend>> open_s3(std::string_view url, OpenKind kind,
                                         const StoreWorld& world) {
  return TRY(S3Backend::open(TRY(parse_address(url)),
                             {world.variable, world.clock, world.rng, world.stop}, kind));
}

Result<void> check_s3_is_free(std::string_view url, const StoreWorld& world) {
  return check_store_is_free(open_s3(url, OpenKind::kOpen, world), "prefix");
}

}  // namespace backstay::backend::s3
