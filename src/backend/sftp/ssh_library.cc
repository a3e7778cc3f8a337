#include "backend/sftp/ssh_library.h"

#include "base/try.h"
#include "io/shared_library.h"

namespace backstay::backend::sftp {
namespace {

Result<SshLibrary> load_ssh_library() {
  const io::SharedLibrary library = TRY(io::SharedLibrary::load("libssh.so.4", "libssh-4"));
  SshLibrary ssh;
  TRY(library.find("ssh_new", ssh.create));
  TRY(library.find("ssh_free", ssh.destroy));
  TRY(library.find("ssh_options_set", ssh.set_option));
  TRY(library.find("ssh_options_get", ssh.get_option));
  TRY(library.find("ssh_options_parse_config", ssh.parse_config));
  TRY(library.find("ssh_connect", ssh.connect));
  TRY(library.find("ssh_disconnect", ssh.disconnect));
  TRY(library.find("ssh_get_fd", ssh.get_fd));
  TRY(library.find("ssh_get_error", ssh.get_error));
  TRY(library.find("ssh_set_blocking", ssh.set_blocking));
  TRY(library.find("ssh_session_is_known_server", ssh.is_known_server));
  TRY(library.find("ssh_get_server_publickey", ssh.server_key));
  TRY(library.find("ssh_get_publickey_hash", ssh.key_hash));
  TRY(library.find("ssh_clean_pubkey_hash", ssh.free_hash));
  TRY(library.find("ssh_get_fingerprint_hash", ssh.fingerprint));
  TRY(library.find("ssh_string_free_char", ssh.free_text));
  TRY(library.find("ssh_key_type", ssh.key_type));
  TRY(library.find("ssh_key_type_to_char", ssh.key_type_name));
  TRY(library.find("ssh_key_free", ssh.free_key));
  TRY(library.find("ssh_pki_import_privkey_file", ssh.import_key_file));
  TRY(library.find("ssh_userauth_none", ssh.auth_none));
  TRY(library.find("ssh_userauth_list", ssh.auth_list));
  TRY(library.find("ssh_userauth_publickey", ssh.auth_key));
  TRY(library.find("ssh_userauth_publickey_auto", ssh.auth_any_key));
  TRY(library.find("ssh_userauth_password", ssh.auth_password));
  TRY(library.find("ssh_userauth_kbdint", ssh.auth_questions));
  TRY(library.find("ssh_userauth_kbdint_getnprompts", ssh.question_count));
  TRY(library.find("ssh_userauth_kbdint_setanswer", ssh.set_answer));
  TRY(library.find("ssh_channel_new", ssh.channel_new));
  TRY(library.find("ssh_channel_free", ssh.channel_free));
  TRY(library.find("ssh_channel_open_session", ssh.channel_open));
  TRY(library.find("ssh_channel_request_sftp", ssh.channel_request_sftp));
  TRY(library.find("ssh_channel_write", ssh.channel_write));
  TRY(library.find("ssh_channel_read_timeout", ssh.channel_read));
  TRY(library.find("ssh_channel_poll_timeout", ssh.channel_poll));
  TRY(library.find("ssh_channel_window_size", ssh.channel_window));
  TRY(library.find("ssh_channel_is_eof", ssh.channel_is_eof));
  TRY(library.find("ssh_channel_is_closed", ssh.channel_is_closed));
  return ssh;
}

}  // namespace

Result<const SshLibrary*> ssh_library() {
  static const Result<SshLibrary> loaded = load_ssh_library();
  if (!loaded) return std::unexpected(loaded.error().clone());
  return &*loaded;
}

}  // namespace backstay::backend::sftp
