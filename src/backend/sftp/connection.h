// A line to the SFTP service of an SSH server, by libssh: the host is known, the user let in.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "backend/sftp/client.h"
#include "backend/sftp/place.h"

namespace backstay::backend::sftp {

// What a user gives besides the place. Without any of it the agent and the keys of ~/.ssh are
// tried; what ~/.ssh/config says of the host holds.
struct Login {
  std::string key_file;     // a private key; empty: none in particular
  std::string known_hosts;  // empty: ~/.ssh/known_hosts and that of the system
  std::optional<std::string> key_passphrase = {};
  std::optional<std::string> password = {};
};

// Fails with
// - unavailable where the host cannot be reached, or goes away;
// - permission_denied where its key is not known or is another than was known, and where the server
//   does not let the user in;
// - unsupported without libssh, or where the two have no cipher in common.
// Waits for the server up to 20 seconds at each step; later a server that is silent for a minute
// counts as gone, and for two seconds once `stop` is requested.
Result<std::unique_ptr<ByteChannel>> connect(const Place& place, const Login& login,
                                             const std::stop_token& stop);

}  // namespace backstay::backend::sftp
