// From an ftp:// or ftps:// URL to a store.
#pragma once

#include <memory>
#include <string_view>

#include "backend/open.h"

namespace backstay::backend::ftp {

// The user is in the URL or in BACKSTAY_FTP_USER, the password in BACKSTAY_FTP_PASSWORD (also
// ..._FILE and ..._COMMAND); BACKSTAY_FTP_CONNECTIONS. Logs in at once: not_found where there is no
// folder.
Result<std::unique_ptr<Backend>> open_ftp(std::string_view url, OpenKind kind,
                                          const StoreWorld& world);
// As check_is_free() of backend/open.h.
Result<void> check_ftp_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::ftp
