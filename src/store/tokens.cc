#include "store/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "backend/served/protocol.h"
#include "base/hex.h"
#include "base/try.h"
#include "io/file.h"
#include "io/metadata.h"
#include "io/node.h"

namespace backstay::store {
namespace {

constexpr std::uint64_t kFileMax = 4 << 20;
// What a token looks like to who finds one somewhere.
constexpr std::string_view kSecretStart = "bkst-";

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.size(), text.find_first_of(separators));
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return parts;
}

bool is_token_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '#' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

Result<void> validate_path(std::string_view path) {
  if (path == "*") return {};
  if (path.ends_with("/*")) path.remove_suffix(2);
  return backend::served::validate_repository(path);
}

Result<void> validate_token_name(std::string_view name) {
  if (is_token_name(name)) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is no name of a token: up to 64 letters, digits, '.', '_', '-'", name));
}

Result<Token> parse_token(std::string_view line) {
  const std::vector<std::string_view> words = split(line, " \t\r");
  if (words.size() != 4) {
    return fail(ErrorCode::kInvalidArgument, "a token's line is: NAME HASH RIGHTS PATHS");
  }
  TRY(validate_token_name(words[0]));
  Token token{.name = std::string(words[0]),
              .hash = TRY(crypto::Digest::from_hex(words[1])),
              .rights = TRY(parse_rights(words[2])),
              .paths = {}};
  for (const std::string_view path : split(words[3], ",")) {
    TRY(validate_path(path));
    token.paths.emplace_back(path);
  }
  return token;
}

// Others could read the hashes, or write lines of their own.
Result<void> check_mode(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const io::Fd at = TRY(io::open_folder_path(folder));
  const auto status = TRY(io::find_at(at.get(), path.substr(slash + 1)));
  if (!status) return fail(ErrorCode::kNotFound, fmt::format("there is no file {}", path));
  if ((status->mode & 077U) == 0) return {};
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{} may be read or written by others than its owner", path))
          .with_hint(fmt::format("Run: chmod 600 {}", path)));
}

Result<std::string> read_text(const std::string& path) {
  TRY(check_mode(path));
  const Bytes bytes = TRY(io::read_file(path, kFileMax));
  return std::string(as_text(bytes));
}

std::string folder_of_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

// Who was taken out stays out after a crash: the bytes are on the disk before they have the name,
// and the name is when this returns.
Result<void> replace_text(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const ByteView piece = as_bytes(text);
  TRY(io::remove_file(fresh));
  TRY(io::create_file(fresh, {&piece, 1}, io::Durability::kSynced));
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    return fail(ErrorCode::kPermissionDenied, "it cannot be replaced");
  }
  return io::sync_directory(folder_of_file(path));
}

// One change at a time, of all processes, for as long as it lives.
Result<io::Fd> lock_for_change(const std::string& path) {
  const io::Fd folder = TRY(io::open_folder_path(folder_of_file(path)));
  const std::string name = path.substr(path.rfind('/') + 1) + ".lock";
  auto file = io::create_regular_at(folder.get(), name, 0600);
  if (!file && file.error().code() == ErrorCode::kAlreadyExists) {
    file = io::open_for_change_at(folder.get(), name);
  }
  io::Fd locked = TRY_DOING("locking " + path, std::move(file));
  if (TRY(io::try_lock(locked.get(), io::FileLock::kExclusive))) return locked;
  return std::unexpected(
      Error(ErrorCode::kUnavailable, fmt::format("another process changes {}", path))
          .with_hint("Run it again when that is done."));
}

}  // namespace

Result<Rights> parse_rights(std::string_view text) {
  Rights rights;
  for (const std::string_view one : split(text, ",")) {
    bool* const which = one == "read"     ? &rights.read
                        : one == "create" ? &rights.create
                        : one == "delete" ? &rights.remove
                                          : nullptr;
    if (which == nullptr) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is no right: there are read, create and delete", one));
    }
    *which = true;
  }
  if (!rights.read && !rights.create && !rights.remove) {
    return fail(ErrorCode::kInvalidArgument, "a token without rights is of no use");
  }
  return rights;
}

std::string write_rights(const Rights& rights) {
  std::string text;
  for (const auto& [has, name] :
       {std::pair{rights.read, "read"}, {rights.create, "create"}, {rights.remove, "delete"}}) {
    if (has) text += fmt::format("{}{}", text.empty() ? "" : ",", name);
  }
  return text;
}

bool Token::covers(std::string_view repository) const {
  return std::ranges::any_of(paths, [&](std::string_view path) {
    if (path == "*" || path == repository) return true;
    if (!path.ends_with("/*")) return false;
    return repository.starts_with(path.substr(0, path.size() - 1));
  });
}

Result<std::vector<Token>> parse_tokens(std::string_view text) {
  std::vector<Token> tokens;
  int number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    Token token = TRY_DOING(fmt::format("line {} of the tokens", number), parse_token(line));
    if (std::ranges::find(tokens, token.name, &Token::name) != tokens.end()) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("line {} of the tokens: there is a token {} already", number, token.name));
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::string write_token(const Token& token) {
  std::string paths;
  for (const std::string& path : token.paths) paths += (paths.empty() ? "" : ",") + path;
  return fmt::format("{} {} {} {}\n", token.name, token.hash.hex(), write_rights(token.rights),
                     paths);
}

// ---- the file

Result<std::unique_ptr<Tokens>> Tokens::open(std::string path) {
  std::unique_ptr<Tokens> tokens(new Tokens(std::move(path)));
  TRY_DOING("reading the tokens", tokens->refresh());
  return tokens;
}

Result<void> Tokens::refresh() {
  const io::FileInfo info = TRY(io::file_info(path_));
  {
    const MutexLock lock(mutex_);
    if (read_at_ == info.modified && size_ == info.size) return {};
  }
  std::vector<Token> tokens = TRY(read_tokens(path_));
  const MutexLock lock(mutex_);
  tokens_ = std::move(tokens);
  read_at_ = info.modified;
  size_ = info.size;
  return {};
}

Result<std::optional<Token>> Tokens::find(std::string_view secret) {
  // Where the file cannot be read any more nobody is let in: somebody may have been taken out.
  TRY(refresh());
  const crypto::Digest hash = crypto::blake3(as_bytes(secret));
  const MutexLock lock(mutex_);
  const Token* found = nullptr;
  for (const Token& token : tokens_) {
    unsigned differs = 0;
    for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
      differs |= static_cast<unsigned>(hash.bytes[i] ^ token.hash.bytes[i]);
    }
    if (differs == 0) found = &token;
  }
  if (found == nullptr) return std::optional<Token>();
  return std::optional<Token>(*found);
}

Result<std::vector<Token>> read_tokens(const std::string& path) {
  const std::string text = TRY(read_text(path));
  return TRY_DOING("reading " + path, parse_tokens(text));
}

Result<NewToken> add_token(const std::string& path, std::string name, const Rights& rights,
                           std::vector<std::string> paths, Rng& rng) {
  TRY(validate_token_name(name));
  for (const std::string& one : paths) TRY(validate_path(one));
  const io::Fd lock = TRY(lock_for_change(path));
  std::string text;
  const Result<io::FileInfo> there = io::file_info(path);
  if (there) text = TRY(read_text(path));
  const std::vector<Token> before = TRY_DOING("reading " + path, parse_tokens(text));
  if (std::ranges::find(before, name, &Token::name) != before.end()) {
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists, fmt::format("{} has a token {} already", path, name))
            .with_hint("Choose another name, or remove it first: backstay store token remove."));
  }
  std::array<std::uint8_t, 32> random{};
  rng.fill(random);
  NewToken made{.secret = std::string(kSecretStart) + to_hex(random), .token = {}};
  made.token = {.name = std::move(name),
                .hash = crypto::blake3(as_bytes(made.secret)),
                .rights = rights,
                .paths = std::move(paths)};
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += write_token(made.token);
  TRY_DOING("writing " + path, replace_text(path, text));
  return made;
}

Result<void> remove_token(const std::string& path, std::string_view name) {
  const io::Fd lock = TRY(lock_for_change(path));
  const std::string text = TRY(read_text(path));
  std::string left;
  bool found = false;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::vector<std::string_view> words = split(line, " \t\r");
    const bool is_it = !words.empty() && words.front() == name;
    found = found || is_it;
    if (!is_it) left += fmt::format("{}\n", line);
  }
  if (!found) {
    return fail(ErrorCode::kNotFound, fmt::format("{} has no token {}", path, name));
  }
  TRY_DOING("writing " + path, replace_text(path, left));
  return {};
}

}  // namespace backstay::store
