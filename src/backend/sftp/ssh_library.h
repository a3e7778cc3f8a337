// What of libssh is used, found in the library when it is loaded: commands that need no SSH do not
// wait for it (linking it costs every start 6 ms).
#pragma once

#include <libssh/libssh.h>

#include "base/error.h"

namespace backstay::backend::sftp {

struct SshLibrary {
  decltype(::ssh_new)* create = nullptr;
  decltype(::ssh_free)* destroy = nullptr;
  decltype(::ssh_options_set)* set_option = nullptr;
  decltype(::ssh_options_get)* get_option = nullptr;
  decltype(::ssh_options_parse_config)* parse_config = nullptr;
  decltype(::ssh_connect)* connect = nullptr;
  decltype(::ssh_disconnect)* disconnect = nullptr;
  decltype(::ssh_get_fd)* get_fd = nullptr;
  decltype(::ssh_get_error)* get_error = nullptr;
  decltype(::ssh_set_blocking)* set_blocking = nullptr;
  decltype(::ssh_session_is_known_server)* is_known_server = nullptr;
  decltype(::ssh_get_server_publickey)* server_key = nullptr;
  decltype(::ssh_get_publickey_hash)* key_hash = nullptr;
  decltype(::ssh_clean_pubkey_hash)* free_hash = nullptr;
  decltype(::ssh_get_fingerprint_hash)* fingerprint = nullptr;
  decltype(::ssh_string_free_char)* free_text = nullptr;
  decltype(::ssh_key_type)* key_type = nullptr;
  decltype(::ssh_key_type_to_char)* key_type_name = nullptr;
  decltype(::ssh_key_free)* free_key = nullptr;
  decltype(::ssh_pki_import_privkey_file)* import_key_file = nullptr;
  decltype(::ssh_userauth_none)* auth_none = nullptr;
  decltype(::ssh_userauth_list)* auth_list = nullptr;
  decltype(::ssh_userauth_publickey)* auth_key = nullptr;
  decltype(::ssh_userauth_publickey_auto)* auth_any_key = nullptr;
  decltype(::ssh_userauth_password)* auth_password = nullptr;
  decltype(::ssh_userauth_kbdint)* auth_questions = nullptr;
  decltype(::ssh_userauth_kbdint_getnprompts)* question_count = nullptr;
  decltype(::ssh_userauth_kbdint_setanswer)* set_answer = nullptr;
  decltype(::ssh_channel_new)* channel_new = nullptr;
  decltype(::ssh_channel_free)* channel_free = nullptr;
  decltype(::ssh_channel_open_session)* channel_open = nullptr;
  decltype(::ssh_channel_request_sftp)* channel_request_sftp = nullptr;
  decltype(::ssh_channel_write)* channel_write = nullptr;
  decltype(::ssh_channel_read_timeout)* channel_read = nullptr;
  decltype(::ssh_channel_poll_timeout)* channel_poll = nullptr;
  decltype(::ssh_channel_window_size)* channel_window = nullptr;
  decltype(::ssh_channel_is_eof)* channel_is_eof = nullptr;
  decltype(::ssh_channel_is_closed)* channel_is_closed = nullptr;
};

// Loaded once in a process. unsupported where libssh is not installed.
Result<const SshLibrary*> ssh_library();

}  // namespace backstay::backend::sftp
