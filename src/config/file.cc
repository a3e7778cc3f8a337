#include "config/file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/suggest.h"
#include "base/try.h"

namespace backstay::config {
namespace {

constexpr std::array<std::pair<const char*, ProfileKind>, 2> kGroups{
    {{"profiles", ProfileKind::kProfile}, {"jobs", ProfileKind::kJob}}};

std::string text_at(const Value& map, std::string_view key) {
  const Value* const found = map.find(key);
  return found != nullptr ? found->text : std::string();
}

const char* group_name(ProfileKind kind) {
  return kind == ProfileKind::kJob ? "jobs" : "profiles";
}

bool may_be_url(std::string_view text) {
  return text.find_first_of("/:$") != std::string_view::npos || text == "." || text == "..";
}

}  // namespace

// How many profiles were merged for one, and by which way.
struct File::Chain {
  static constexpr int kMergesMax = 1000;
  std::vector<std::string> names;
  int merges = 0;
  Mark failed_at = {};
};

File::Read File::read(std::string_view text, const std::string& path, const Rule& rule) {
  Result<Value> top = parse_file(text, path);
  if (!top) {
    // The parser's message begins with its place.
    return {.file = std::nullopt, .problems = {{.mark = {}, .message = top.error().describe()}}};
  }
  Read result{.file = File(path, *std::move(top)), .problems = {}};
  result.problems = check(result.file->top_, rule);
  // What breaks the form has no meaning to look at.
  if (result.problems.empty()) result.file->check_meaning(result.problems);
  return result;
}

Result<File> File::load(std::string_view text, const std::string& path, const Rule& rule) {
  Read result = read(text, path, rule);
  if (result.problems.empty()) return *std::move(result.file);
  const Problem& first = result.problems.front();
  const std::size_t more = result.problems.size() - 1;
  std::string message = result.file
                            ? fmt::format("{}: {}", place_of(path, first.mark), first.message)
                            : first.message;
  if (more > 0) message += fmt::format(" (and {} more)", more);
  return std::unexpected(Error(ErrorCode::kInvalidArgument, std::move(message))
                             .with_hint("'backstay config check' names all that is wrong; "
                                        "docs/configuration.md has an example."));
}

std::vector<std::string> File::names(ProfileKind kind) const {
  std::vector<std::string> names;
  if (const Value* const group = top_.find(group_name(kind))) {
    for (const Pair& pair : group->pairs) names.push_back(pair.key);
  }
  return names;
}

const Pair* File::find(std::string_view name) const {
  for (const auto& [key, unused] : kGroups) {
    const Value* const group = top_.find(key);
    if (group == nullptr) continue;
    const auto found = std::ranges::find(group->pairs, name, &Pair::key);
    if (found != group->pairs.end()) return &*found;
  }
  return nullptr;
}

bool File::has(std::string_view name) const {
  return find(name) != nullptr;
}

std::string File::default_profile() const {
  return text_at(top_, "default_profile");
}

std::unexpected<Error> File::wrong(Mark mark, std::string_view what) const {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", place_of(path_, mark), what)));
}

Result<Value> File::merged(const Pair& pair, Chain& chain) const {
  chain.failed_at = pair.mark;
  if (std::ranges::find(chain.names, pair.key) != chain.names.end()) {
    chain.names.push_back(pair.key);
    return wrong(pair.mark, fmt::format("'extends' goes in a circle: {}",
                                        fmt::join(chain.names, " extends ")));
  }
  if (++chain.merges > Chain::kMergesMax)
    return wrong(pair.mark, fmt::format("{} extends too much", pair.key));
  chain.names.push_back(pair.key);
  Value under{.kind = Value::Kind::kMap, .mark = pair.mark};
  if (const Value* const extends = pair.value.find("extends")) {
    for (const Value* const base : texts_of(*extends)) {
      const Pair* const found = find(base->text);
      chain.failed_at = base->mark;
      if (found == nullptr) return wrong(base->mark, fmt::format("there is no '{}'", base->text));
      merge(under, TRY(merged(*found, chain)));
    }
  }
  if (pair.value.kind == Value::Kind::kMap) merge(under, pair.value);
  std::erase_if(under.pairs, [](const Pair& one) { return one.key == "extends"; });
  chain.names.pop_back();
  return under;
}

Result<Profile> File::profile(std::string_view name) const {
  const Pair* const pair = find(name);
  if (pair == nullptr) {
    std::vector<std::string> all = names(ProfileKind::kJob);
    std::ranges::move(names(ProfileKind::kProfile), std::back_inserter(all));
    Error error(ErrorCode::kInvalidArgument, fmt::format("{} has no profile '{}'", path_, name));
    if (const auto near = nearest(name, all))
      return std::unexpected(std::move(error).with_hint(fmt::format("Did you mean '{}'?", *near)));
    return std::unexpected(std::move(error).with_hint(
        all.empty() ? "It has no profiles and no jobs at all."
                    : fmt::format("There are: {}.", fmt::join(all, ", "))));
  }
  Chain chain;
  Value value = TRY(merged(*pair, chain));
  const Value* const jobs = top_.find("jobs");
  const bool job = jobs != nullptr && jobs->find(name) != nullptr;
  return Profile{.name = pair->key,
                 .kind = job ? ProfileKind::kJob : ProfileKind::kProfile,
                 .value = std::move(value)};
}

const Value* File::repository(std::string_view name) const {
  const Value* const all = top_.find("repositories");
  return all != nullptr ? all->find(name) : nullptr;
}

static void check_copies(const Pair& repository, std::vector<Problem>& problems) {
  const Value* const copies = repository.value.find("copies");
  if (copies == nullptr) return;
  std::vector<std::string> names{repository.key};
  for (const Value& copy : copies->items) {
    const auto say = [&](std::string message) {
      problems.push_back({.mark = copy.mark, .message = std::move(message)});
    };
    const std::string name = text_at(copy, "name");
    if (name.empty()) say("a copy has no name");
    if (text_at(copy, "url").empty()) say(fmt::format("{} has no url", name));
    if (std::ranges::find(names, name) != names.end())
      say(fmt::format("two places are called {}", name));
    const std::string when = text_at(copy, "copy");
    if (!when.empty() && when != "after-backup" && when != "later")
      say(fmt::format("copy is after-backup or later, not '{}'", when));
    names.push_back(name);
  }
}

void File::check_repositories(std::vector<Problem>& problems) const {
  const Value* const all = top_.find("repositories");
  if (all == nullptr) return;
  const auto say = [&](Mark mark, std::string message) {
    problems.push_back({.mark = mark, .message = std::move(message)});
  };
  for (const Pair& pair : all->pairs) {
    if (text_at(pair.value, "url").empty()) say(pair.mark, fmt::format("{} has no url", pair.key));
    const auto given =
        std::ranges::count_if(std::array{"password", "recovery_key", "key"},
                              [&](const char* key) { return pair.value.find(key) != nullptr; });
    if (given > 1)
      say(pair.mark, fmt::format("{}: say one of password, recovery_key and key", pair.key));
    const std::string recovery = text_at(pair.value, "recovery_key");
    if (!recovery.empty() && !recovery.starts_with("file:"))
      say(pair.mark, fmt::format("{}: a recovery_key is file:PATH", pair.key));
    if (text_at(pair.value, "key").starts_with("env:"))
      say(pair.mark, fmt::format("{}: a key is file:PATH or command:PROGRAM", pair.key));
    check_copies(pair, problems);
  }
}

void File::check_profiles(std::string_view group, std::vector<Problem>& problems) const {
  const Value* const all = top_.find(group);
  if (all == nullptr) return;
  for (const Pair& pair : all->pairs) {
    const Pair* const first = find(pair.key);
    if (first != &pair) {
      problems.push_back(
          {.mark = pair.mark,
           .message = fmt::format("{} is a profile and a job: give them two names", pair.key)});
      continue;
    }
    Chain chain;
    if (const auto whole = merged(pair, chain); !whole) {
      // The place is in the message already.
      const std::string place = place_of(path_, chain.failed_at) + ": ";
      std::string message = whole.error().describe();
      if (message.starts_with(place)) message.erase(0, place.size());
      problems.push_back({.mark = chain.failed_at, .message = std::move(message)});
    }
    const Value* const repository_name = pair.value.find("repository");
    if (repository_name == nullptr || repository(repository_name->text) != nullptr ||
        may_be_url(repository_name->text))
      continue;
    std::vector<std::string> names;
    if (const Value* const there = top_.find("repositories")) {
      for (const Pair& one : there->pairs) names.push_back(one.key);
    }
    const auto near = nearest(repository_name->text, names);
    problems.push_back(
        {.mark = repository_name->mark,
         .message = fmt::format("there is no repository '{}'{}", repository_name->text,
                                near ? fmt::format("; did you mean '{}'?", *near)
                                     : " in 'repositories', and no path or URL looks like that")});
  }
}

void File::check_meaning(std::vector<Problem>& problems) const {
  const Value* const version = top_.find("version");
  if (version != nullptr && version->text != "1")
    problems.push_back({.mark = version->mark, .message = "this program knows version 1 only"});
  check_repositories(problems);
  for (const auto& [group, unused] : kGroups) check_profiles(group, problems);
  const Value* const chosen = top_.find("default_profile");
  if (chosen != nullptr && !has(chosen->text)) {
    problems.push_back(
        {.mark = chosen->mark, .message = fmt::format("there is no profile '{}'", chosen->text)});
  }
}

std::vector<const Value*> texts_of(const Value& value) {
  std::vector<const Value*> texts;
  if (value.kind == Value::Kind::kText) texts.push_back(&value);
  for (const Value& item : value.items) texts.push_back(&item);
  return texts;
}

bool File::holds_secrets() const {
  const Value* const all = top_.find("repositories");
  if (all == nullptr) return false;
  return std::ranges::any_of(all->pairs, [](const Pair& pair) {
    const std::string url = text_at(pair.value, "url");
    if (without_password(url) != url) return true;
    const Value* const variables = pair.value.find("environment");
    return variables != nullptr && std::ranges::any_of(variables->pairs, [](const Pair& one) {
             return names_secret(one.key) && !policy::parse_secret_reference(one.value.text);
           });
  });
}

bool names_secret(std::string_view variable) {
  if (variable.ends_with("_FILE") || variable.ends_with("_COMMAND")) return false;
  return std::ranges::any_of(
      std::array<std::string_view, 6>{"PASSWORD", "PASSPHRASE", "SECRET", "TOKEN", "_KEY", "_SAS"},
      [&](std::string_view word) { return variable.find(word) != variable.npos; });
}

std::string without_password(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return std::string(url);
  const std::size_t host = scheme + 3;
  const std::size_t path = std::min(url.find('/', host), url.size());
  const std::size_t at = url.substr(0, path).rfind('@');
  const std::size_t colon = url.find(':', host);
  if (at == url.npos || at < host || colon == url.npos || colon > at) return std::string(url);
  return std::string(url.substr(0, colon + 1)) + "***" + std::string(url.substr(at));
}

}  // namespace backstay::config
