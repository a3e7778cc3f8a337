// Whether the server is the one that this user knows.
#pragma once

#include "backend/sftp/place.h"
#include "backend/sftp/ssh_library.h"

namespace backstay::backend::sftp {

// By the known hosts that the session was told of. permission_denied for a key that is not there,
// or is another one; the message has its fingerprint, as ssh shows it.
Result<void> check_host_key(const SshLibrary& ssh, ssh_session session, const Place& place);

}  // namespace backstay::backend::sftp
