// From an s3:// URL to a store.
#pragma once

#include <memory>
#include <string_view>

#include "backend/open.h"

namespace backstay::backend::s3 {

// Credentials come from where AWS's own programs look (backend/s3/credentials.h). One call tells
// that they are good, and that the bucket is there: no_repository without it.
Result<std::unique_ptr<Backend>> open_s3(std::string_view url, OpenKind kind,
                                         const StoreWorld& world);
// As check_is_free() of backend/open.h.
Result<void> check_s3_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::s3
