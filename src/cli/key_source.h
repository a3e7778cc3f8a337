// Key files and key commands (docs/keys.md).
#pragma once

#include <stop_token>
#include <string>

#include "base/rng.h"
#include "crypto/secret.h"
#include "repo/key_slot.h"

namespace backstay::cli {

// The secret that a file stands for; invalid_argument when it is too short to be one.
Result<crypto::Secret> read_key_file(const std::string& path, const std::stop_token& stop);
// The same. Where there is no file it is made first, of random bytes, for its owner alone.
Result<crypto::Secret> read_or_make_key_file(const std::string& path, Rng& rng,
                                             const std::stop_token& stop);

// Runs the program (no shell) for each slot with the slot's ciphertext on its standard input, and
// takes what it prints.
[[nodiscard]] repo::KeyCommand secret_from_command(std::string command, std::stop_token stop);

// What `wrap` makes of a new random secret: the ciphertext for a slot. `unwrap` is the command that
// the slot will be opened with: it must give the secret back.
struct WrapCommands {
  std::string wrap;
  std::string unwrap;
};
Result<Bytes> wrap_new_secret(const WrapCommands& commands, Rng& rng, const std::stop_token& stop);

// What a program (no shell) prints, for `doing`. Its failure is permission_denied.
struct SecretCommand {
  std::string line;
  std::string doing;  // "running the password command"
};
Result<Bytes> output_of(const SecretCommand& command, ByteView input, const std::stop_token& stop);

}  // namespace backstay::cli
