#include "backend/sftp/host_key.h"

#include <fmt/format.h>

namespace backstay::backend::sftp {
namespace {

// "ssh-ed25519 SHA256:..." of the key that the server has shown.
std::string shown_key(const SshLibrary& ssh, ssh_session session) {
  ssh_key key = nullptr;
  if (ssh.server_key(session, &key) != SSH_OK) return "that cannot be read";
  std::string shown = ssh.key_type_name(ssh.key_type(key));
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh.key_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == SSH_OK) {
    char* const print = ssh.fingerprint(SSH_PUBLICKEY_HASH_SHA256, hash, size);
    if (print != nullptr) shown += fmt::format(" {}", print);
    ssh.free_text(print);
    ssh.free_hash(&hash);
  }
  ssh.free_key(key);
  return shown;
}

std::string how_to_add(const Place& place) {
  const std::string port = place.port == 0 ? "" : fmt::format("-p {} ", place.port);
  return fmt::format(
      "Compare the fingerprint with one that the server's owner gives you, then make the host "
      "known: connect once with 'ssh {}{}{}', or add what 'ssh-keyscan {}{}' prints to "
      "~/.ssh/known_hosts (or to the file that BACKSTAY_SFTP_KNOWN_HOSTS names).",
      port, place.user.empty() ? "" : place.user + "@", place.host, port, place.host);
}

}  // namespace

Result<void> check_host_key(const SshLibrary& ssh, ssh_session session, const Place& place) {
  const auto refuse = [](std::string message, std::string hint) {
    return std::unexpected(
        Error(ErrorCode::kPermissionDenied, std::move(message)).with_hint(std::move(hint)));
  };
  const auto changed = [&](std::string_view what) {
    return refuse(
        fmt::format("THE HOST KEY OF {} HAS CHANGED. It shows {}, {}. Somebody may stand between "
                    "you and the server; nothing was sent",
                    place.host, shown_key(ssh, session), what),
        "Ask the server's owner whether its key was changed. Only if so, remove the old one with "
        "'ssh-keygen -R' and make the new one known.");
  };
  switch (ssh.is_known_server(session)) {
    case SSH_KNOWN_HOSTS_OK:
      return {};
    case SSH_KNOWN_HOSTS_CHANGED:
      return changed("and another key is known for it");
    case SSH_KNOWN_HOSTS_OTHER:
      return changed("and only keys of other types are known for it");
    case SSH_KNOWN_HOSTS_ERROR:
      return refuse(fmt::format("the known hosts cannot be read: {}", ssh.get_error(session)),
                    "Look at ~/.ssh/known_hosts, or at the file that BACKSTAY_SFTP_KNOWN_HOSTS "
                    "names.");
    default:
      return refuse(
          fmt::format("the host {} is not known: it shows {}", place.host, shown_key(ssh, session)),
          how_to_add(place));
  }
}

}  // namespace backstay::backend::sftp
