#include "foreign/borg/command.h"

#include <fmt/format.h>

#include <array>

#include "base/try.h"

namespace backstay::foreign::borg {

namespace {

Result<std::string> all_of(io::ChildProcess& child, std::size_t size_max,
                           const std::stop_token& stop) {
  std::string text;
  Bytes piece(64 * 1024);
  for (;;) {
    const std::size_t got = TRY(child.read_stdout(piece, stop));
    if (got == 0) return text;
    if (text.size() + got > size_max) return fail(ErrorCode::kCorruption, "borg prints too much");
    text += as_text(ByteView(piece).first(got));
  }
}

}  // namespace

Result<void> must_end_well(io::ChildProcess& child, ErrorCode otherwise,
                           const std::stop_token& stop) {
  const int status = TRY(child.wait(stop));
  if (status == 0) return {};
  return std::unexpected(
      Error(otherwise, fmt::format("borg ended with status {}: what it said stands on standard "
                                   "error",
                                   status))
          .with_hint("Try 'borg list' and 'borg check' on that repository; give its passphrase "
                     "with --from-password-file or in BORG_PASSPHRASE."));
}

Result<io::ChildProcess> BorgCommand::start(const std::vector<std::string>& command,
                                            const std::vector<std::string>& arguments,
                                            const std::vector<int>& descriptors) const {
  std::vector<std::string> words{options_.program};
  words.insert(words.end(), command.begin(), command.end());
  if (options_.bypass_lock) words.emplace_back("--bypass-lock");
  words.insert(words.end(), arguments.begin(), arguments.end());
  // Nothing is written there, so that what borg would ask about does no harm; times are in UTC.
  io::Surroundings surroundings{
      .variables = {{"TZ", "UTC"},
                    {"LC_ALL", "C.UTF-8"},
                    {"BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"},
                    {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"}},
      .descriptors = descriptors};
  if (options_.passphrase) {
    surroundings.variables.emplace_back("BORG_PASSPHRASE", *options_.passphrase);
  }
  auto child = io::ChildProcess::start(words, {}, surroundings);
  if (!child && child.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kUnsupported, "borg is not installed here")
            .with_hint("Install it (Debian: borgbackup), version 1.1 or later of 1."));
  }
  return child;
}

Result<std::string> BorgCommand::output_of(const std::vector<std::string>& command,
                                           const std::vector<std::string>& arguments,
                                           std::size_t size_max,
                                           const std::stop_token& stop) const {
  io::ChildProcess child = TRY(start(command, arguments));
  std::string text = TRY(all_of(child, size_max, stop));
  TRY(must_end_well(child, ErrorCode::kPermissionDenied, stop));
  return text;
}

Result<void> BorgCommand::check_version(const std::stop_token& stop) const {
  io::ChildProcess child = TRY(start({"--version"}, {}));
  const std::string text = TRY(all_of(child, 4096, stop));
  TRY(must_end_well(child, ErrorCode::kUnsupported, stop));
  if (text.starts_with("borg 1.") && !text.starts_with("borg 1.0")) return {};
  return fail(ErrorCode::kUnsupported,
              fmt::format("borg 1.1 or a later 1.x is needed, and here is: {}",
                          text.substr(0, std::min<std::size_t>(text.find('\n'), 60))));
}

}  // namespace backstay::foreign::borg
