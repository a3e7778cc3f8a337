#include "cli/passphrase.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/global_options.h"
#include "cli/key_source.h"
#include "crypto/words.h"
#include "io/stream.h"
#include "io/terminal.h"

namespace backstay::cli {
namespace {

constexpr std::size_t kSecretMax = 64 * kKiB;

std::string without_line_end(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return std::string(text);
}

Error empty_passphrase() {
  return Error(ErrorCode::kInvalidArgument, "the passphrase is empty")
      .with_hint("A repository without encryption is made with 'init --encryption none'.");
}

Result<std::optional<repo::Credential>> passphrase(Result<std::string> text) {
  std::string secret = TRY(std::move(text));
  if (secret.empty()) return std::unexpected(empty_passphrase());
  return repo::Credential{.passphrase = std::move(secret), .recovery_key = {}};
}

Result<std::optional<repo::Credential>> recovery_key(const std::string& path,
                                                     const std::stop_token& stop) {
  const std::string words = TRY(read_secret_file(path, stop));
  return repo::Credential{
      .passphrase = {},
      .recovery_key = TRY_DOING("reading the recovery key in " + path, crypto::from_words(words))};
}

// Where a passphrase or key comes from.
struct Origin {
  enum class Kind : std::uint8_t {
    kRecoveryKeyFile,
    kKeyFile,
    kKeyCommand,
    kFile,
    kCommand,
    kText
  };
  Kind kind;
  std::string name;   // of the option or variable
  std::string value;  // the path, the command, or the secret itself
};

std::optional<Origin> credential_origin(const GlobalOptions& options,
                                        const Environment& environment) {
  using Kind = Origin::Kind;
  const auto from_option = [](Kind kind, const char* name, const std::string& value) {
    return value.empty() ? std::optional<Origin>() : Origin{kind, name, value};
  };
  const auto from_variable = [&](Kind kind, const char* name) {
    const auto value = environment.get(name);
    return value ? Origin{kind, name, *value} : std::optional<Origin>();
  };
  std::optional<Origin> found =
      from_option(Kind::kRecoveryKeyFile, "--recovery-key-file", options.recovery_key_file);
  if (!found) found = from_option(Kind::kKeyFile, "--key-file", options.key_file);
  if (!found) found = from_option(Kind::kKeyCommand, "--key-command", options.key_command);
  if (!found) found = from_option(Kind::kFile, "--password-file", options.password_file);
  if (!found) found = from_option(Kind::kCommand, "--password-command", options.password_command);
  if (!found) found = from_variable(Kind::kRecoveryKeyFile, "BACKSTAY_RECOVERY_KEY_FILE");
  if (!found) found = from_variable(Kind::kKeyFile, "BACKSTAY_KEY_FILE");
  if (!found) found = from_variable(Kind::kKeyCommand, "BACKSTAY_KEY_COMMAND");
  if (!found) found = from_variable(Kind::kText, "BACKSTAY_PASSWORD");
  if (!found) found = from_variable(Kind::kFile, "BACKSTAY_PASSWORD_FILE");
  if (!found) found = from_variable(Kind::kCommand, "BACKSTAY_PASSWORD_COMMAND");
  return found;
}

Result<std::string> ask(const std::string& prompt, const std::string& otherwise,
                        const std::stop_token& stop) {
  Result<Bytes> answer = io::read_passphrase(prompt, stop);
  if (!answer && answer.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, "no passphrase is given, and there is no terminal to ask on")
            .with_hint(otherwise));
  }
  Bytes typed = TRY(std::move(answer));
  std::string text(as_text(typed));
  crypto::wipe(typed);
  return text;
}

}  // namespace

Result<std::string> read_secret_file(const std::string& path, const std::stop_token& stop) {
  Bytes bytes = TRY_DOING("reading the secret", io::read_file_or_stream(path, kSecretMax, stop));
  std::string text = without_line_end(as_text(bytes));
  crypto::wipe(bytes);
  return text;
}

Result<std::string> read_secret_command(const std::string& command, const Patience& patience) {
  Bytes printed =
      TRY(output_of({.line = command, .doing = "running the password command"}, {}, patience));
  std::string text = without_line_end(as_text(printed));
  crypto::wipe(printed);
  return text;
}

bool key_is_given(const GlobalOptions& options, const Environment& environment) {
  return credential_origin(options, environment).has_value();
}

std::optional<std::string> given_key_file(const GlobalOptions& options,
                                          const Environment& environment) {
  const std::optional<Origin> origin = credential_origin(options, environment);
  if (!origin || origin->kind != Origin::Kind::kKeyFile) return std::nullopt;
  return origin->value;
}

Result<std::optional<repo::Credential>> given_credential(const GlobalOptions& options,
                                                         const Environment& environment,
                                                         const std::stop_token& stop) {
  const int given = static_cast<int>(!options.password_file.empty()) +
                    static_cast<int>(!options.password_command.empty()) +
                    static_cast<int>(!options.recovery_key_file.empty()) +
                    static_cast<int>(!options.key_file.empty()) +
                    static_cast<int>(!options.key_command.empty());
  if (given > 1) {
    return fail(
        ErrorCode::kInvalidArgument,
        "only one of --password-file, --password-command, --recovery-key-file, --key-file and "
        "--key-command makes sense");
  }
  const std::optional<Origin> origin = credential_origin(options, environment);
  if (!origin) return std::nullopt;
  const Patience patience{.stop = stop, .limit = options.key_timeout};
  switch (origin->kind) {
    case Origin::Kind::kRecoveryKeyFile:
      return recovery_key(origin->value, stop);
    case Origin::Kind::kKeyFile:
      return repo::Credential{.passphrase = {},
                              .recovery_key = {},
                              .key_file = TRY(read_key_file(origin->value, stop))};
    case Origin::Kind::kKeyCommand:
      return repo::Credential{.passphrase = {},
                              .recovery_key = {},
                              .key_command = secret_from_command(origin->value, patience)};
    case Origin::Kind::kFile:
      return passphrase(read_secret_file(origin->value, stop));
    case Origin::Kind::kCommand:
      return passphrase(read_secret_command(origin->value, patience));
    case Origin::Kind::kText:
      return passphrase(origin->value);
  }
  return std::nullopt;
}

std::string wrong_credential_hint(const GlobalOptions& options, const Environment& environment) {
  const std::optional<Origin> origin = credential_origin(options, environment);
  if (!origin) return "Try again, or type the words of a recovery key.";
  switch (origin->kind) {
    case Origin::Kind::kRecoveryKeyFile:
      return fmt::format(
          "Check that {} is the recovery key of this repository, or give a passphrase with "
          "--password-file.",
          origin->name);
    case Origin::Kind::kKeyFile:
    case Origin::Kind::kKeyCommand:
      return fmt::format(
          "Check that {} gives a key of this repository, or open it with --password-file or "
          "--recovery-key-file.",
          origin->name);
    case Origin::Kind::kText:
    case Origin::Kind::kFile:
    case Origin::Kind::kCommand:
      break;
  }
  return fmt::format("Check {}, or open the repository with --recovery-key-file.", origin->name);
}

Result<repo::Credential> ask_credential(const std::string& place, const std::stop_token& stop) {
  std::string text = TRY(
      ask(fmt::format("passphrase or recovery key for {}: ", place), kHowToGivePassphrase, stop));
  // Its check words tell a recovery key from any passphrase that only looks like one.
  if (auto key = crypto::from_words(text)) {
    return repo::Credential{.passphrase = {}, .recovery_key = std::move(*key)};
  }
  return repo::Credential{.passphrase = std::move(text), .recovery_key = {}};
}

Result<repo::Credential> ask_new_passphrase(const std::string& prompt, const std::string& otherwise,
                                            const std::stop_token& stop) {
  std::string first = TRY(ask(prompt + ": ", otherwise, stop));
  if (first.empty()) return std::unexpected(empty_passphrase());
  const std::string second = TRY(ask(prompt + " again: ", otherwise, stop));
  if (first != second) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "the two passphrases differ")
                               .with_hint("Start again, and type the same one twice."));
  }
  return repo::Credential{.passphrase = std::move(first), .recovery_key = {}};
}

}  // namespace backstay::cli
