#include "cli/foreign_password.h"

#include "base/try.h"
#include "cli/global_options.h"
#include "cli/passphrase.h"
#include "crypto/secret.h"
#include "io/terminal.h"

namespace backstay::cli {
namespace {

std::string without_space_around(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

Result<std::optional<std::string>> from_options(const Context& context,
                                                const ForeignPassword& given) {
  const std::stop_token stop = context.stop.get_token();
  if (!given.file.empty() && !given.command.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "only one of --from-password-file and --from-password-command makes sense");
  }
  if (!given.file.empty()) return TRY(read_secret_file(given.file, stop));
  if (!given.command.empty())
    return TRY(
        read_secret_command(given.command, {.stop = stop, .limit = context.options.key_timeout}));
  return std::nullopt;
}

}  // namespace

void append_foreign_password_options(std::vector<Option>& options, ForeignPassword& target,
                                     const std::string& environment) {
  Option file = text("--from-password-file", "FILE", target.file,
                     "a file with the password of the repository that is imported");
  file.environment = environment;
  file.environment_use = EnvironmentUse::kDocumented;
  options.push_back(std::move(file));
  options.push_back(text("--from-password-command", "COMMAND", target.command,
                         "a program that prints that password"));
}

Result<std::string> restic_password(const Context& context, const ForeignPassword& given) {
  const std::stop_token stop = context.stop.get_token();
  if (const auto password = TRY(from_options(context, given)))
    return without_space_around(*password);
  if (const auto password = context.environment.get("RESTIC_PASSWORD")) return *password;
  if (const auto file = context.environment.get("RESTIC_PASSWORD_FILE"))
    return without_space_around(TRY(read_secret_file(*file, stop)));
  if (const auto command = context.environment.get("RESTIC_PASSWORD_COMMAND"))
    return without_space_around(
        TRY(read_secret_command(*command, {.stop = stop, .limit = context.options.key_timeout})));
  Result<Bytes> typed = io::read_passphrase("password of the restic repository: ", stop);
  if (!typed && typed.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kNotFound,
              "the password of the restic repository is not given, and there is no terminal to "
              "ask on")
            .with_hint("Give it with --from-password-file or in RESTIC_PASSWORD."));
  }
  Bytes answer = TRY(std::move(typed));
  std::string password(as_text(answer));
  crypto::wipe(answer);
  return password;
}

Result<std::optional<std::string>> borg_passphrase(const Context& context,
                                                   const ForeignPassword& given) {
  return from_options(context, given);
}

}  // namespace backstay::cli
