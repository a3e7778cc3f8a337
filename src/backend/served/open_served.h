// backstay://HOST:PORT/REPOSITORY and backstays://, for backend/open.cc.
#pragma once

#include <memory>
#include <string_view>

#include "backend/backend.h"
#include "backend/open.h"
#include "backend/store_world.h"

namespace backstay::backend::served {

// The token is BACKSTAY_STORE_TOKEN (or _FILE, or _COMMAND).
Result<std::unique_ptr<Backend>> open_served(std::string_view url, OpenKind kind,
                                             const StoreWorld& world);
Result<void> check_served_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::served
