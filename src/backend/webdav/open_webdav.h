// From a webdav:// or webdavs:// URL to a store.
#pragma once

#include <memory>
#include <string_view>

#include "backend/open.h"

namespace backstay::backend::webdav {

// The user is in the URL or in BACKSTAY_WEBDAV_USER, the password in BACKSTAY_WEBDAV_PASSWORD (also
// ..._FILE and ..._COMMAND). Asks the server at once: not_found where there is no folder.
Result<std::unique_ptr<Backend>> open_webdav(std::string_view url, OpenKind kind,
                                             const StoreWorld& world);
// As check_is_free() of backend/open.h.
Result<void> check_webdav_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::webdav
