// From an azure:// URL to a store.
#pragma once

#include <memory>
#include <string_view>

#include "backend/open.h"

namespace backstay::backend::azure {

// The account is in the URL or in AZURE_STORAGE_ACCOUNT; AZURE_STORAGE_KEY is its key, or
// AZURE_STORAGE_SAS_TOKEN a shared access signature (both also ..._FILE and ..._COMMAND). One call
// tells that they are good, and that the container is there: no_repository without it.
Result<std::unique_ptr<Backend>> open_azure(std::string_view url, OpenKind kind,
                                            const StoreWorld& world);
// As check_is_free() of backend/open.h.
Result<void> check_azure_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::azure
