#include "backend/sftp/login.h"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

// Questions that a server may ask one after another.
constexpr int kRoundsMax = 10;

class LoggingIn {
 public:
  LoggingIn(const SshLibrary& ssh, ssh_session session, const Place& place, const Login& login)
      : ssh_(ssh), session_(session), place_(place), login_(login) {}

  Result<void> run() {
    // A key that is named is what lets the user in, nearly always: one round trip less.
    const bool has_key = !login_.key_file.empty();
    if (has_key && TRY(by_given_key())) return {};
    // Also what makes the server say how it lets users in.
    if (TRY(judged(ssh_.auth_none(session_, nullptr)))) return {};
    if (!has_key && offered(SSH_AUTH_METHOD_PUBLICKEY) && TRY(by_key())) return {};
    if (login_.password && offered(SSH_AUTH_METHOD_PASSWORD)) {
      tried_.emplace_back("the password");
      if (TRY(judged(ssh_.auth_password(session_, nullptr, login_.password->c_str())))) return {};
    }
    if (login_.password && offered(SSH_AUTH_METHOD_INTERACTIVE) && TRY(by_answers())) return {};
    return refused_user();
  }

 private:
  [[nodiscard]] bool offered(unsigned method) const {
    return (static_cast<unsigned>(ssh_.auth_list(session_, nullptr)) & method) != 0;
  }

  // Whether the user is in. Not, when the server wants something else, or more.
  Result<bool> judged(int outcome) {
    if (outcome == SSH_AUTH_SUCCESS) return true;
    if (outcome != SSH_AUTH_ERROR) return false;
    const std::string why = ssh_.get_error(session_);
    if (why.contains("Too many authentication failures")) return std::unexpected(too_many());
    return fail(ErrorCode::kUnavailable, fmt::format("logging in to {}: {}", place_.url, why));
  }

  // The password alone where one is given: an agent with many keys would use up the attempts.
  Result<bool> by_key() {
    if (login_.password) return false;
    tried_.emplace_back("the keys of the agent and of ~/.ssh");
    const char* const passphrase = login_.key_passphrase ? login_.key_passphrase->c_str() : nullptr;
    return judged(ssh_.auth_any_key(session_, nullptr, passphrase));
  }

  Result<bool> by_given_key() {
    ssh_key key = nullptr;
    // Without a passphrase libssh must not ask for one on a terminal that it does not have.
    const char* const passphrase = login_.key_passphrase ? login_.key_passphrase->c_str() : "";
    const int read =
        ssh_.import_key_file(login_.key_file.c_str(), passphrase, nullptr, nullptr, &key);
    if (read != SSH_OK) return unusable_key(read);
    tried_.push_back("the key " + login_.key_file);
    const int outcome = ssh_.auth_key(session_, nullptr, key);
    ssh_.free_key(key);
    return judged(outcome);
  }

  [[nodiscard]] std::unexpected<Error> unusable_key(int why) const {
    if (why == SSH_EOF) {
      return std::unexpected(
          Error(ErrorCode::kPermissionDenied,
                fmt::format("the key {} is not there, or may not be read", login_.key_file))
              .with_hint("BACKSTAY_SFTP_KEY_FILE names the file of a private key."));
    }
    return std::unexpected(
        Error(ErrorCode::kPermissionDenied,
              fmt::format("the key {} cannot be used: it is no private key, or its passphrase is "
                          "another",
                          login_.key_file))
            .with_hint("Give its passphrase in BACKSTAY_SFTP_KEY_PASSPHRASE, in a file with "
                       "BACKSTAY_SFTP_KEY_PASSPHRASE_FILE, or load it into the agent."));
  }

  // The password is the answer to all that is asked.
  Result<bool> by_answers() {
    tried_.emplace_back("the password as an answer");
    int outcome = ssh_.auth_questions(session_, nullptr, nullptr);
    for (int round = 0; outcome == SSH_AUTH_INFO && round < kRoundsMax; ++round) {
      const int questions = ssh_.question_count(session_);
      for (int i = 0; i < questions; ++i) {
        ssh_.set_answer(session_, static_cast<unsigned>(i), login_.password->c_str());
      }
      outcome = ssh_.auth_questions(session_, nullptr, nullptr);
    }
    return judged(outcome);
  }

  [[nodiscard]] Error too_many() const {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{} lets nobody try so many keys", place_.url))
        .with_hint("Name the one key in BACKSTAY_SFTP_KEY_FILE.");
  }

  [[nodiscard]] std::unexpected<Error> refused_user() const {
    std::string tried;
    for (const std::string& one : tried_) tried += (tried.empty() ? "" : ", ") + one;
    std::string takes;
    for (const auto& [method, name] : {std::pair{SSH_AUTH_METHOD_PUBLICKEY, "keys"},
                                       {SSH_AUTH_METHOD_PASSWORD, "passwords"},
                                       {SSH_AUTH_METHOD_INTERACTIVE, "answers to questions"}}) {
      if (offered(method)) takes += fmt::format("{}{}", takes.empty() ? "" : ", ", name);
    }
    return std::unexpected(
        Error(ErrorCode::kPermissionDenied,
              fmt::format("{} does not let the user in (tried: {}; it takes: {})", place_.url,
                          tried.empty() ? "nothing" : tried, takes.empty() ? "nothing" : takes))
            .with_hint("Name a key in BACKSTAY_SFTP_KEY_FILE, or give a password in "
                       "BACKSTAY_SFTP_PASSWORD_FILE, BACKSTAY_SFTP_PASSWORD_COMMAND or "
                       "BACKSTAY_SFTP_PASSWORD. 'sftp' with the same user shows whether it is "
                       "the account."));
  }

  const SshLibrary& ssh_;
  ssh_session session_;
  const Place& place_;
  const Login& login_;
  std::vector<std::string> tried_;
};

}  // namespace

Result<void> log_in(const SshLibrary& ssh, ssh_session session, const Place& place,
                    const Login& login) {
  return LoggingIn(ssh, session, place, login).run();
}

}  // namespace backstay::backend::sftp
