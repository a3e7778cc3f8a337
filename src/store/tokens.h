// Who may do what on a store server: a file of lines "NAME HASH RIGHTS PATHS".
//
// HASH is BLAKE3 of the token, which has 256 random bits: nothing is gained by guessing, so the
// hash need not be slow. RIGHTS is "read", "create" and "delete" with commas between; PATHS is
// repositories, or "team/*" for all below, or "*" for all, with commas between. Lines that begin
// with '#' are comments.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "crypto/hash.h"

namespace backstay::store {

struct Rights {
  bool read = false;    // get
  bool create = false;  // put, and removing leases
  bool remove = false;  // removing anything
};
Result<Rights> parse_rights(std::string_view text);
[[nodiscard]] std::string write_rights(const Rights& rights);

struct Token {
  std::string name;
  crypto::Digest hash;
  Rights rights;
  std::vector<std::string> paths;

  [[nodiscard]] bool covers(std::string_view repository) const;
};

// invalid_argument, with the number of the line, for what breaks a rule.
Result<std::vector<Token>> parse_tokens(std::string_view text);
[[nodiscard]] std::string write_token(const Token& token);

// The file as it is at the moment: who is taken out of it is refused from his next request on.
// Thread-safe.
class Tokens {
 public:
  // permission_denied when others than its owner may read or write it.
  static Result<std::unique_ptr<Tokens>> open(std::string path);

  // Whose token it is; nothing when it is nobody's. Takes as long for every secret.
  Result<std::optional<Token>> find(std::string_view secret) EXCLUDES(mutex_);

 private:
  explicit Tokens(std::string path) : path_(std::move(path)) {}
  Result<void> refresh() EXCLUDES(mutex_);

  const std::string path_;
  Mutex mutex_;
  std::vector<Token> tokens_ GUARDED_BY(mutex_);
  std::optional<Timestamp> read_at_ GUARDED_BY(mutex_);  // the file's own time
  std::uint64_t size_ GUARDED_BY(mutex_) = 0;
};

// ---- changing the file. Its owner alone may read what is written.
struct NewToken {
  std::string secret;  // shown once, stored nowhere
  Token token;
};
Result<NewToken> add_token(const std::string& path, std::string name, const Rights& rights,
                           std::vector<std::string> paths, Rng& rng);
// not_found where there is none of that name.
Result<void> remove_token(const std::string& path, std::string_view name);
Result<std::vector<Token>> read_tokens(const std::string& path);

}  // namespace backstay::store
