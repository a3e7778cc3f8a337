// Which keys a configuration file may have, as one table: files are checked by it, suggestions come
// from it, and the JSON Schema is made of it, so that the three cannot disagree.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/value.h"
#include "json/json_fwd.h"

namespace backstay::config {

struct Rule {
  enum class Kind : std::uint8_t {
    kText,       // a text or a number
    kTexts,      // one of them, or a list
    kFlag,       // true or false
    kReference,  // env:NAME, file:PATH or command:PROGRAM: a secret itself is refused
    kVariables,  // names of variables, each with a text or a reference
    kMap,        // of these keys
    kNames,      // names that the user gives, each with a map of these keys
    kCopies,     // a list of maps of these keys
    kHook,       // a text, a list of texts, or a map of these keys
    kSchedule,   // a text, or a map of these keys
    kSection,    // a map of these keys, or false
  };
  Kind kind = Kind::kText;
  std::string help = {};
  std::vector<std::string> examples = {};
  std::vector<std::pair<std::string, Rule>> keys = {};

  [[nodiscard]] const Rule* find(std::string_view key) const;
  Rule& add(std::string key, Rule rule);
};

struct Problem {
  Mark mark;
  std::string message;  // never the value of what may be a secret
};
// All that breaks the rule, in the order of the file.
[[nodiscard]] std::vector<Problem> check(const Value& value, const Rule& rule);

// JSON Schema, draft 2020-12.
[[nodiscard]] json::Json schema_of(const Rule& rule);

// The whole file: `settings` are the keys of a profile, and of a repository, that say what global
// options say, `sections`
// those that are named like commands.
struct Vocabulary {
  std::vector<std::pair<std::string, Rule>> settings;
  std::vector<std::pair<std::string, Rule>> sections;
};
[[nodiscard]] Rule file_rule(const Vocabulary& vocabulary);

}  // namespace backstay::config
