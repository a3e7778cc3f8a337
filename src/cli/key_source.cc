#include "cli/key_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/byte_size.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "io/file.h"
#include "io/process.h"
#include "io/stream.h"
#include "json/utf8.h"

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
  KeyCommandRunner(std::string line, std::stop_token stop)
      : line_(std::move(line)), stop_(std::move(stop)) {}

  Result<crypto::Secret> run(ByteView ciphertext) {
    if (runs_ == kRunsMax) {
      return fail(ErrorCode::kPermissionDenied,
                  fmt::format("the key command was run for {} key slots, and none opened", runs_));
    }
    ++runs_;
    Bytes printed =
        TRY(output_of({.line = line_, .doing = "running the key command"}, ciphertext, stop_));
    const ByteView key = without_line_end(printed);
    TRY(require_length(key, "the key command"));
    crypto::Secret secret = crypto::derive_key("backstay v1 key command", key);
    crypto::wipe(printed);
    return secret;
  }

 private:
  static constexpr int kRunsMax = 32;
  const std::string line_;
  const std::stop_token stop_;
  int runs_ = 0;
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

repo::KeyCommand secret_from_command(std::string command, std::stop_token stop) {
  return [runner = std::make_shared<KeyCommandRunner>(std::move(command), std::move(stop))](
             ByteView ciphertext) { return runner->run(ciphertext); };
}

Result<Bytes> wrap_new_secret(const WrapCommands& commands, Rng& rng, const std::stop_token& stop) {
  // Text, because some key managers take only that.
  const std::string secret = to_hex(crypto::Secret::random(rng).view());
  const ByteView plain = as_bytes(secret);
  Bytes ciphertext =
      TRY(output_of({.line = commands.wrap, .doing = "running the wrap command"}, plain, stop));
  if (ciphertext.empty() || !std::ranges::search(ciphertext, plain).empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the wrap command does not encrypt what it is given on its standard input");
  }
  const Bytes printed = TRY(
      output_of({.line = commands.unwrap, .doing = "running the key command"}, ciphertext, stop));
  const std::string_view back = as_text(without_line_end(printed));
  if (back == secret || back == json::to_base64(plain)) return ciphertext;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            "the key command does not give back what the wrap command was given")
          .with_hint("It gets the output of the wrap command on its standard input, and must print "
                     "the plaintext, as it is or in base64."));
}

Result<Bytes> output_of(const SecretCommand& command, ByteView input, const std::stop_token& stop) {
  const std::vector<std::string> words = TRY_DOING(command.doing, io::split_command(command.line));
  io::ChildProcess child = TRY_DOING(command.doing, io::ChildProcess::start(words, input));
  Bytes printed;
  std::array<std::uint8_t, 4096> piece{};
  for (;;) {
    const std::size_t got = TRY_DOING(command.doing, child.read_stdout(piece, stop));
    if (got == 0) break;
    append(printed, ByteView(piece).first(got));
    if (printed.size() > kCommandOutputMax) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} prints more than a secret", words[0]));
    }
  }
  crypto::wipe(piece);
  const int status = TRY(child.wait(stop));
  if (status == 0) return printed;
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{}: {} ended with status {}", command.doing, words[0], status))
          .with_hint("Run it by hand to see what is wrong with it."));
}

}  // namespace backstay::cli
