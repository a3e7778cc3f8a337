#include "cli/key_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "base/base64.h"
#include "base/byte_size.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "io/file.h"
#include "io/process.h"
#include "io/stream.h"
#include "io/terminal.h"

namespace backstay::cli {
namespace {

constexpr std::size_t kKeyBytesMin = 32;
constexpr std::uint64_t kKeyFileMax = kMiB;
constexpr std::size_t kCommandOutputMax = 64 * kKiB;

// The bytes themselves, which outlive what is returned.
ByteView without_line_end(ByteView bytes) {
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  if (!bytes.empty() && bytes.back() == '\r') bytes = bytes.first(bytes.size() - 1);
  return bytes;
}

Result<void> require_length(ByteView bytes, const std::string& what) {
  if (bytes.size() >= kKeyBytesMin) return {};
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("{} gives {} bytes, and a key has {} or more",
                                                     what, bytes.size(), kKeyBytesMin))
          .with_hint("A passphrase, which may be short, is given with --password-file or "
                     "--password-command."));
}

// A store may hold slots that somebody put there: it must not make us run a program for ever.
class KeyCommandRunner {
 public:
  KeyCommandRunner(std::string line, Patience patience, Answers answers)
      : line_(std::move(line)), patience_(std::move(patience)), answers_(answers) {}

  // The same ciphertext gives the same key, however many slots have it.
  Result<crypto::Secret> run(ByteView ciphertext) {
    const auto known = known_.find(to_owned(ciphertext));
    if (known != known_.end()) return known->second;
    if (runs_ == kRunsMax) {
      return std::unexpected(
          Error(ErrorCode::kPermissionDenied,
                fmt::format("the key command was run {} times for the key slots of the repository, "
                            "and none opened",
                            runs_))
              .with_hint("Whoever can write to the store can put key slots there. Open it with "
                         "another key, and remove those that nobody knows ('backstay key list')."));
    }
    ++runs_;
    Bytes printed =
        TRY(output_of({.line = line_, .doing = "running the key command"}, ciphertext, patience_));
    const ByteView key = without_line_end(printed);
    TRY(require_length(key, "the key command"));
    crypto::Secret secret = crypto::derive_key("backstay v1 key command", key);
    crypto::wipe(printed);
    if (answers_ == Answers::kRemembered) known_.emplace(to_owned(ciphertext), secret);
    return secret;
  }

 private:
  static constexpr int kRunsMax = 32;  // for all slots together
  const std::string line_;
  const Patience patience_;
  const Answers answers_;
  int runs_ = 0;
  std::map<Bytes, crypto::Secret> known_;
};

}  // namespace

Result<crypto::Secret> read_key_file(const std::string& path, const std::stop_token& stop) {
  Bytes bytes = TRY_DOING("reading the key file", io::read_file_or_stream(path, kKeyFileMax, stop));
  TRY(require_length(bytes, "the key file " + path));
  crypto::Secret secret = crypto::derive_key("backstay v1 key file", bytes);
  crypto::wipe(bytes);
  return secret;
}

Result<crypto::Secret> read_or_make_key_file(const std::string& path, Rng& rng,
                                             const std::stop_token& stop) {
  auto there = read_key_file(path, stop);
  if (there || there.error().code() != ErrorCode::kNotFound) return there;
  const crypto::Secret bytes = crypto::Secret::random(rng);
  const ByteView piece = bytes.view();
  TRY_DOING("making the key file", io::create_file(path, {&piece, 1}, io::Durability::kSynced));
  return read_key_file(path, stop);
}

repo::KeyCommand secret_from_command(std::string command, Patience patience, Answers answers) {
  return [runner =
              std::make_shared<KeyCommandRunner>(std::move(command), std::move(patience), answers)](
             ByteView ciphertext) { return runner->run(ciphertext); };
}

Result<Bytes> wrap_new_secret(const WrapCommands& commands, Rng& rng, const Patience& patience) {
  // Text, because some key managers take only that.
  const std::string secret = to_hex(crypto::Secret::random(rng).view());
  const ByteView plain = as_bytes(secret);
  Bytes ciphertext =
      TRY(output_of({.line = commands.wrap, .doing = "running the wrap command"}, plain, patience));
  if (ciphertext.empty() || !std::ranges::search(ciphertext, plain).empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the wrap command does not encrypt what it is given on its standard input");
  }
  const Bytes printed = TRY(output_of({.line = commands.unwrap, .doing = "running the key command"},
                                      ciphertext, patience));
  const std::string_view back = as_text(without_line_end(printed));
  if (back == secret || back == to_base64(plain)) return ciphertext;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            "the key command does not give back what the wrap command was given")
          .with_hint("It gets the output of the wrap command on its standard input, and must print "
                     "the plaintext, as it is or in base64."));
}

static Error without_an_answer(const SecretCommand& command, Error error,
                               const Patience& patience) {
  if (error.code() != ErrorCode::kUnavailable) return std::move(error).with_context(command.doing);
  return Error(ErrorCode::kPermissionDenied, fmt::format("{}: {} (within {} s)", command.doing,
                                                         error.describe(), patience.limit.count()))
      .with_hint(
          "It was ended. Run it by hand to see what it waits for; --key-timeout gives it "
          "more time.");
}

Result<Bytes> output_of(const SecretCommand& command, ByteView input, const Patience& patience) {
  const auto until = std::chrono::steady_clock::now() + patience.limit;
  const std::vector<std::string> words = TRY_DOING(command.doing, io::split_command(command.line));
  io::Surroundings surroundings;
  if (!io::has_terminal()) surroundings.group = io::ProcessGroup::kOwn;
  io::ChildProcess child =
      TRY_DOING(command.doing, io::ChildProcess::start(words, input, surroundings));
  Bytes printed;
  std::array<std::uint8_t, 4096> piece{};
  for (;;) {
    const auto got = child.read_answer(piece, patience.stop, until);
    if (!got) return std::unexpected(without_an_answer(command, got.error().clone(), patience));
    if (*got == 0) break;
    append(printed, ByteView(piece).first(*got));
    if (printed.size() > kCommandOutputMax) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} prints more than a secret", words[0]));
    }
  }
  crypto::wipe(piece);
  const auto status = child.wait(patience.stop, until);
  if (!status) return std::unexpected(without_an_answer(command, status.error().clone(), patience));
  if (*status == 0) return printed;
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{}: {} ended with status {}", command.doing, words[0], *status))
          .with_hint("Run it by hand to see what is wrong with it."));
}

}  // namespace backstay::cli
