// A configuration file: repositories by name, and profiles and jobs that may take over from each
// other. Nothing here reads a variable, a secret or another file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/rule.h"
#include "config/value.h"
#include "policy/places.h"

namespace backstay::config {

enum class ProfileKind : std::uint8_t { kProfile, kJob };

// With all that it takes over; every value still knows where it stands in the file.
struct Profile {
  std::string name;
  ProfileKind kind = ProfileKind::kProfile;
  Value value;  // a map without `extends`
};

class File {
 public:
  // With every problem there is; what is not text in the form of its kind at all is the only one.
  struct Read;
  static Read read(std::string_view text, const std::string& path, const Rule& rule);
  // The first problem is the failure, and says how many more there are.
  static Result<File> load(std::string_view text, const std::string& path, const Rule& rule);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Value& top() const { return top_; }
  [[nodiscard]] std::vector<std::string> names(ProfileKind kind) const;
  [[nodiscard]] bool has(std::string_view name) const;
  // Empty where the file says none.
  [[nodiscard]] std::string default_profile() const;
  // invalid_argument for a name that is not there, with the nearest one, and for a circle.
  Result<Profile> profile(std::string_view name) const;
  // Null where the name is none of `repositories`.
  [[nodiscard]] const Value* repository(std::string_view name) const;
  // Whether there are secrets in the file itself, as texts in `environment` whose names say so or
  // in URLs.
  [[nodiscard]] bool holds_secrets() const;

  [[nodiscard]] std::unexpected<Error> wrong(Mark mark, std::string_view what) const;

 private:
  File(std::string path, Value top) : path_(std::move(path)), top_(std::move(top)) {}
  [[nodiscard]] const Pair* find(std::string_view name) const;
  struct Chain;
  Result<Value> merged(const Pair& pair, Chain& chain) const;
  void check_meaning(std::vector<Problem>& problems) const;
  void check_profiles(std::string_view group, std::vector<Problem>& problems) const;
  void check_repositories(std::vector<Problem>& problems) const;

  std::string path_;
  Value top_;
};

struct File::Read {
  std::optional<File> file;  // also where there are problems, as far as it could be read
  std::vector<Problem> problems;
};

// The texts of a value that may be one or a list of them.
[[nodiscard]] std::vector<const Value*> texts_of(const Value& value);

using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
// ${NAME} is the variable's value, ${NAME:-TEXT} the text where it is not set, $$ a dollar sign.
// not_found names the first variable that is not set.
Result<std::string> expand(std::string_view text, const Lookup& lookup);
// The names of variables that expand() would fail for.
[[nodiscard]] std::vector<std::string> unset_variables(std::string_view text, const Lookup& lookup);

// Whether a variable of this name is a secret, going by its name.
[[nodiscard]] bool names_secret(std::string_view variable);
// A URL without the password in it.
[[nodiscard]] std::string without_password(std::string_view url);

}  // namespace backstay::config
