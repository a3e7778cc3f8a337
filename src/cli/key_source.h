// Key files and key commands (docs/keys.md).
#pragma once

#include <chrono>
#include <cstdint>
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

// How long a program may take that gives a key or passphrase.
struct Patience {
  std::stop_token stop = {};
  std::chrono::seconds limit{120};  // --key-timeout
};

// Whether the same ciphertext is asked for once, which is enough to open a repository; who proves
// that a program gives the same key each time asks again.
enum class Answers : std::uint8_t { kRemembered, kAskedAgain };
// Runs the program (no shell) for each slot with the slot's ciphertext on its standard input, and
// takes what it prints.
[[nodiscard]] repo::KeyCommand secret_from_command(std::string command, Patience patience,
                                                   Answers answers = Answers::kRemembered);

// What `wrap` makes of a new random secret: the ciphertext for a slot. `unwrap` is the command that
// the slot will be opened with: it must give the secret back.
struct WrapCommands {
  std::string wrap;
  std::string unwrap;
};
Result<Bytes> wrap_new_secret(const WrapCommands& commands, Rng& rng, const Patience& patience);

// What a program (no shell) prints, for `doing`. Its failure is permission_denied, also when it
// takes too long; then it is ended, with all that it started unless it may ask on our terminal.
struct SecretCommand {
  std::string line;
  std::string doing;  // "running the password command"
};
Result<Bytes> output_of(const SecretCommand& command, ByteView input, const Patience& patience);

}  // namespace backstay::cli
