// How the server lets the user in: by a key, by a password, or by one after the other.
#pragma once

#include "backend/sftp/connection.h"
#include "backend/sftp/ssh_library.h"

namespace backstay::backend::sftp {

// permission_denied says what was tried and what the server would take.
Result<void> log_in(const SshLibrary& ssh, ssh_session session, const Place& place,
                    const Login& login);

}  // namespace backstay::backend::sftp
