// From an sftp:// URL to a store.
#pragma once

#include <memory>
#include <string_view>

#include "backend/open.h"

namespace backstay::backend::sftp {

// Credentials and the like come from the environment: BACKSTAY_SFTP_KEY_FILE,
// BACKSTAY_SFTP_KEY_PASSPHRASE, BACKSTAY_SFTP_PASSWORD (both also ..._FILE and ..._COMMAND),
// BACKSTAY_SFTP_KNOWN_HOSTS, BACKSTAY_SFTP_CONNECTIONS. Connects at once.
Result<std::unique_ptr<Backend>> open_sftp(std::string_view url, OpenKind kind,
                                           const StoreWorld& world);
// As check_is_free() of backend/open.h.
Result<void> check_sftp_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::sftp
