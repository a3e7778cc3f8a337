#include "config/rule.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/suggest.h"
#include "policy/places.h"

namespace backstay::config {
namespace {

using Kind = Rule::Kind;

std::string_view shape_of(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNothing:
      return "nothing";
    case Value::Kind::kText:
      return "a text";
    case Value::Kind::kList:
      return "a list";
    case Value::Kind::kMap:
      return "'name: value' pairs";
  }
  return "";
}

bool is_map_like(Kind kind) {
  return kind == Kind::kMap || kind == Kind::kNames || kind == Kind::kSection ||
         kind == Kind::kVariables;
}

bool is_name(std::string_view text) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 64 && text[0] != '.' && text[0] != '-' &&
         std::ranges::all_of(text, good);
}

bool is_variable(std::string_view text) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::ranges::all_of(text, good);
}

class Checker {
 public:
  std::vector<Problem> problems;

  void check(const Value& value, const Rule& rule, const std::string& key) {
    const bool nothing = value.kind == Value::Kind::kNothing;
    if (nothing && is_map_like(rule.kind)) return;
    if (nothing) {
      say(value.mark, fmt::format("{} has no value: write one, or leave the key out", key));
      return;
    }
    switch (rule.kind) {
      case Kind::kText:
        require(value, Value::Kind::kText, key, "a text or a number");
        return;
      case Kind::kFlag:
        check_flag(value, key);
        return;
      case Kind::kTexts:
        check_texts(value, key, "a text or a list of texts");
        return;
      case Kind::kReference:
        check_reference(value, key);
        return;
      case Kind::kVariables:
        check_variables(value, key);
        return;
      case Kind::kMap:
        check_map(value, rule, key, "'name: value' pairs");
        return;
      case Kind::kSection:
        if (value.kind == Value::Kind::kText && value.text == "false" && !value.quoted) return;
        check_map(value, rule, key, "'name: value' pairs, or false");
        return;
      case Kind::kNames:
        check_names(value, rule, key);
        return;
      case Kind::kCopies:
        check_copies(value, rule, key);
        return;
      case Kind::kHook:
        if (value.kind == Value::Kind::kMap)
          check_map(value, rule, key, "");
        else
          check_texts(value, key, "a text for the shell, a list of words, or 'name: value' pairs");
        return;
      case Kind::kSchedule:
        if (value.kind == Value::Kind::kText) return;
        check_map(value, rule, key, "a text or 'name: value' pairs");
        return;
    }
  }

 private:
  void say(Mark mark, std::string message) {
    problems.push_back({.mark = mark, .message = std::move(message)});
  }
  bool require(const Value& value, Value::Kind kind, const std::string& key,
               std::string_view wanted) {
    if (value.kind == kind) return true;
    say(value.mark, fmt::format("{} must be {}, not {}", key, wanted, shape_of(value)));
    return false;
  }
  void check_flag(const Value& value, const std::string& key) {
    const bool truth = value.kind == Value::Kind::kText && !value.quoted &&
                       (value.text == "true" || value.text == "false");
    if (!truth) say(value.mark, fmt::format("{} must be true or false", key));
  }
  void check_texts(const Value& value, const std::string& key, std::string_view wanted) {
    if (value.kind == Value::Kind::kText) return;
    if (!require(value, Value::Kind::kList, key, wanted)) return;
    for (const Value& item : value.items)
      require(item, Value::Kind::kText, fmt::format("each item of {}", key), "a text or a number");
  }
  void check_reference(const Value& value, const std::string& key) {
    if (!require(value, Value::Kind::kText, key, "env:NAME, file:PATH or command:PROGRAM")) return;
    const auto read = policy::parse_secret_reference(value.text);
    if (!read) say(value.mark, fmt::format("{}: {}", key, read.error().message()));
  }
  void check_variables(const Value& value, const std::string& key) {
    if (!require(value, Value::Kind::kMap, key, "'NAME: value' pairs")) return;
    for (const Pair& pair : value.pairs) {
      if (!is_variable(pair.key))
        say(pair.mark, fmt::format("'{}' is no name of a variable", pair.key));
      if (pair.value.kind == Value::Kind::kNothing)
        say(pair.mark, fmt::format("{} has no value", pair.key));
      else
        require(pair.value, Value::Kind::kText, pair.key, "a text, or where it is found");
    }
  }
  void check_pair(const Pair& pair, const Rule& rule, const std::string& of) {
    if (const Rule* const known = rule.find(pair.key)) {
      check(pair.value, *known, pair.key);
      return;
    }
    std::vector<std::string> names;
    for (const auto& [name, unused] : rule.keys) names.push_back(name);
    const auto near = nearest(pair.key, names);
    say(pair.mark, near ? fmt::format("{} has no '{}'; did you mean '{}'?", of, pair.key, *near)
                        : fmt::format("{} has no '{}'", of, pair.key));
  }
  void check_map(const Value& value, const Rule& rule, const std::string& key,
                 std::string_view wanted) {
    if (!require(value, Value::Kind::kMap, key, wanted)) return;
    for (const Pair& pair : value.pairs) check_pair(pair, rule, key);
  }
  void check_names(const Value& value, const Rule& rule, const std::string& key) {
    if (!require(value, Value::Kind::kMap, key, "names with 'name: value' pairs below each"))
      return;
    for (const Pair& pair : value.pairs) {
      if (!is_name(pair.key)) {
        say(pair.mark, fmt::format("'{}' is no name: they are made of letters, digits, '-', '_' "
                                   "and '.', at most 64 of them",
                                   pair.key));
      }
      if (pair.value.kind != Value::Kind::kNothing)
        check_map(pair.value, rule, pair.key, "'name: value' pairs");
    }
  }
  void check_copies(const Value& value, const Rule& rule, const std::string& key) {
    if (!require(value, Value::Kind::kList, key, "a list of copies, each with '-' before it"))
      return;
    for (const Value& item : value.items) check_map(item, rule, "a copy", "'name: value' pairs");
  }
};

Rule rule_of(Kind kind, std::string help) {
  return {.kind = kind, .help = std::move(help)};
}

void add_secrets(Rule& to) {
  to.add("password", rule_of(Kind::kReference, "where the passphrase is"));
  to.add("recovery_key", rule_of(Kind::kReference, "file:PATH of a recovery key"));
  to.add("key", rule_of(Kind::kReference, "file:PATH or command:PROGRAM of a key"));
}

Rule copies_rule() {
  Rule copies =
      rule_of(Kind::kCopies, "other repositories that get each snapshot (docs/copies.md)");
  copies.add("name", rule_of(Kind::kText, "a-z, 0-9 and '-'"));
  copies.add("url", rule_of(Kind::kText, "of the copy"));
  add_secrets(copies);
  copies.add("medium", rule_of(Kind::kText, "disk, cloud, tape, ..."));
  copies.add("site", rule_of(Kind::kText, "where it is"));
  copies.add("offline", rule_of(Kind::kFlag, "connected to nothing but while it is copied to"));
  copies.add("copy", {.kind = Kind::kText,
                      .help = "after-backup (the default), or later",
                      .examples = {"after-backup", "later"}});
  return copies;
}

Rule repositories_rule(const Vocabulary& vocabulary) {
  Rule each = rule_of(Kind::kNames, "repositories, by names of your choice");
  each.add("url", rule_of(Kind::kText, "what --repo takes"));
  add_secrets(each);
  each.add("medium", rule_of(Kind::kText, "disk, cloud, tape, ... for the count of copies"));
  each.add("site", rule_of(Kind::kText, "where it is, for the count of copies"));
  each.add("environment",
           rule_of(Kind::kVariables, "variables of its store, texts or env:, file:, command:"));
  each.add("copies", copies_rule());
  for (const auto& [name, rule] : vocabulary.settings) each.add(name, rule);
  return each;
}

Rule hook_rule(std::string help) {
  Rule hook = rule_of(Kind::kHook, std::move(help));
  hook.add("command", rule_of(Kind::kTexts, "a text for /bin/sh -c, or a list of words"));
  hook.add("timeout", rule_of(Kind::kText, "how long it may take, 10m by default"));
  return hook;
}

Rule hooks_rule() {
  Rule hooks = rule_of(Kind::kMap, "programs of yours that 'run' starts");
  hooks.add("before", hook_rule("first; when it fails nothing else is done"));
  hooks.add("after", hook_rule("last, whatever came of it"));
  hooks.add("on_failure", hook_rule("when a step failed, before 'after'"));
  return hooks;
}

Rule schedule_rule() {
  Rule schedule = rule_of(Kind::kSchedule,
                          "when 'schedule install' has it run: hourly, daily, weekly, monthly, "
                          "or a cron expression");
  schedule.add("every", {.kind = Kind::kText,
                         .help = "hourly, daily, weekly or monthly",
                         .examples = {"hourly", "daily", "weekly", "monthly"}});
  schedule.add("at", rule_of(Kind::kText, "HH:MM, in quotes"));
  schedule.add("day", rule_of(Kind::kText, "of the week (sunday) or of the month (1 to 28)"));
  schedule.add("cron", rule_of(Kind::kText, "five fields, instead of every, at and day"));
  schedule.add("random_delay", rule_of(Kind::kText, "starts up to so much later, 15m by default"));
  return schedule;
}

Rule profile_rule(const Vocabulary& vocabulary, std::string help) {
  Rule each = rule_of(Kind::kNames, std::move(help));
  each.add("description", rule_of(Kind::kText, "for people"));
  each.add("extends", rule_of(Kind::kTexts, "takes what these have, later ones first"));
  each.add("repository", rule_of(Kind::kText, "a name of 'repositories', or what --repo takes"));
  for (const auto& [name, rule] : vocabulary.settings) each.add(name, rule);
  for (const auto& [name, rule] : vocabulary.sections) each.add(name, rule);
  each.add("hooks", hooks_rule());
  each.add("schedule", schedule_rule());
  return each;
}

}  // namespace

const Rule* Rule::find(std::string_view key) const {
  const auto found = std::ranges::find(keys, key, &std::pair<std::string, Rule>::first);
  return found == keys.end() ? nullptr : &found->second;
}

Rule& Rule::add(std::string key, Rule rule) {
  return keys.emplace_back(std::move(key), std::move(rule)).second;
}

std::vector<Problem> check(const Value& value, const Rule& rule) {
  Checker checker;
  checker.check(value, rule, "the file");
  return std::move(checker.problems);
}

Rule file_rule(const Vocabulary& vocabulary) {
  Rule file = rule_of(Kind::kMap, "settings of backstay (docs/configuration.md)");
  file.add("version", {.kind = Kind::kText, .help = "of this form: 1", .examples = {"1"}});
  file.add("default_profile", rule_of(Kind::kText, "what is meant without --profile"));
  file.add("repositories", repositories_rule(vocabulary));
  file.add("profiles", profile_rule(vocabulary, "settings for --profile and for 'extends'"));
  file.add("jobs", profile_rule(vocabulary, "profiles that 'run' and 'schedule' know"));
  return file;
}

}  // namespace backstay::config
