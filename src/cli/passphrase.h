// Where passphrases and recovery keys come from. Never from the command line itself, which every
// user of the machine can read.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "cli/command.h"
#include "cli/key_source.h"
#include "repo/key_slot.h"

namespace backstay::cli {

// A hint, where there is no terminal to ask on.
inline constexpr const char* kHowToGivePassphrase =
    "Give it with --password-file, with --password-command or in BACKSTAY_PASSWORD; another key "
    "with --key-file, --key-command or --recovery-key-file.";

// A file of one secret, without one trailing line end (docs/format.md section 4.4).
Result<std::string> read_secret_file(const std::string& path, const std::stop_token& stop);
// What a program prints, without one trailing line end. A program that fails is a failure.
Result<std::string> read_secret_command(const std::string& command, const Patience& patience);

// What the options and the environment say, the first of: --recovery-key-file, --key-file,
// --key-command, --password-file, --password-command, BACKSTAY_RECOVERY_KEY_FILE,
// BACKSTAY_KEY_FILE, BACKSTAY_KEY_COMMAND, BACKSTAY_PASSWORD, BACKSTAY_PASSWORD_FILE,
// BACKSTAY_PASSWORD_COMMAND. Nothing where none is set. invalid_argument when two options are
// given, and for an empty passphrase.
Result<std::optional<repo::Credential>> given_credential(const GlobalOptions& options,
                                                         const Environment& environment,
                                                         const std::stop_token& stop);

// Whether options or environment name any passphrase or key.
[[nodiscard]] bool key_is_given(const GlobalOptions& options, const Environment& environment);

// The key file that is given, where it is that.
[[nodiscard]] std::optional<std::string> given_key_file(const GlobalOptions& options,
                                                        const Environment& environment);

// What to do when no key opens with what was given.
[[nodiscard]] std::string wrong_credential_hint(const GlobalOptions& options,
                                                const Environment& environment);

// Asks on the terminal. The words of a recovery key are recognised as such.
Result<repo::Credential> ask_credential(const std::string& place, const std::stop_token& stop);
// Asks twice. `otherwise` is the hint where there is no terminal.
Result<repo::Credential> ask_new_passphrase(const std::string& prompt, const std::string& otherwise,
                                            const std::stop_token& stop);

}  // namespace backstay::cli
