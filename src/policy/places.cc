#include "policy/places.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/try.h"
#include "yaml/document.h"

namespace backstay::policy {
namespace {

constexpr const char* kHint = "docs/copies.md has an example.";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<std::string> name_in(const yaml::Pair& pair) {
  const std::string_view text = TRY(pair.value.text(pair.key));
  if (is_name(text)) return std::string(text);
  return pair.value.wrong(
      fmt::format("{} is made of a-z, 0-9 and '-', at most 64 of them", pair.key));
}

Result<std::string> url_in(const yaml::Pair& pair) {
  const std::string_view text = TRY(pair.value.text("url"));
  if (text.starts_with("set:")) return pair.value.wrong("a place of a set cannot be a set");
  return std::string(text);
}

Result<CopyWhen> when_in(const yaml::Pair& pair) {
  const std::string_view text = TRY(pair.value.text("copy"));
  if (text == "after-backup") return CopyWhen::kAfterBackup;
  if (text == "later") return CopyWhen::kLater;
  return pair.value.wrong(fmt::format("copy is after-backup or later, not '{}'", text));
}

// A text that is no reference may be the secret, so that nothing repeats it.
Result<SecretReference> secret_in(const yaml::Pair& pair) {
  Result<SecretReference> read = parse_secret_reference(TRY(pair.value.text(pair.key)));
  if (read) return read;
  return pair.value.wrong(fmt::format("{}: {}", pair.key, read.error().message()));
}

enum class Role : std::uint8_t { kPrimary, kCopy };

Result<void> read_pair(const yaml::Pair& pair, Role role, Place& place) {
  if (pair.key == "name")
    place.name = TRY(name_in(pair));
  else if (pair.key == "url")
    place.url = TRY(url_in(pair));
  else if (pair.key == "passphrase")
    place.passphrase = TRY(secret_in(pair));
  else if (pair.key == "recovery_key")
    place.recovery_key = TRY(secret_in(pair));
  else if (pair.key == "key")
    place.key = TRY(secret_in(pair));
  else if (pair.key == "medium")
    place.medium = TRY(name_in(pair));
  else if (pair.key == "site")
    place.site = TRY(name_in(pair));
  else if (pair.key == "offline")
    place.offline = TRY(pair.value.truth("offline"));
  else if (pair.key == "copy" && role == Role::kCopy)
    place.copied = TRY(when_in(pair));
  else
    return pair.unknown(
        role == Role::kCopy ? "a copy" : "the primary",
        {"name", "url", "passphrase", "recovery_key", "key", "medium", "site", "offline", "copy"});
  return {};
}

Result<Place> read_place(const yaml::Document& document, const yaml::Node& node, Role role) {
  const std::string what = role == Role::kCopy ? "a copy" : "the primary";
  using Kind = SecretReference::Kind;
  Place place;
  std::optional<yaml::Node> first;
  TRY(node.for_each_pair(what, [&](const yaml::Pair& pair) {
    if (!first) first = pair.key_node;
    return read_pair(pair, role, place);
  }));
  const auto wrong = [&](std::string_view why) {
    return first ? first->wrong(why) : document.wrong(why);
  };
  if (place.name.empty()) return wrong(what + " has no name");
  if (place.url.empty()) return wrong(fmt::format("{} has no url", place.name));
  const auto secrets = std::ranges::count_if(
      std::array{place.passphrase.kind, place.recovery_key.kind, place.key.kind},
      [](Kind kind) { return kind != Kind::kAsGiven; });
  if (secrets > 1)
    return wrong(fmt::format("{}: say one of passphrase, recovery_key and key", place.name));
  if (place.recovery_key.kind == Kind::kVariable || place.recovery_key.kind == Kind::kCommand)
    return wrong(fmt::format("{}: a recovery_key is file:PATH", place.name));
  if (place.key.kind == Kind::kVariable)
    return wrong(fmt::format("{}: a key is file:PATH or command:PROGRAM", place.name));
  return place;
}

Result<void> read_source(const yaml::Node& node, PlaceSet& set) {
  return node.for_each_pair("source", [&](const yaml::Pair& pair) -> Result<void> {
    if (pair.key == "medium")
      set.source_medium = TRY(name_in(pair));
    else if (pair.key == "site")
      set.source_site = TRY(name_in(pair));
    else
      return pair.unknown("the source", {"medium", "site"});
    return {};
  });
}

Result<void> refuse_twins(const yaml::Document& document, const PlaceSet& set) {
  std::vector<const Place*> all{&set.primary};
  for (const Place& copy : set.copies) all.push_back(&copy);
  for (auto one = all.begin(); one != all.end(); ++one) {
    for (auto other = one + 1; other != all.end(); ++other) {
      if ((*one)->name == (*other)->name)
        return document.wrong(fmt::format("two places are called {}", (*one)->name));
      if ((*one)->url == (*other)->url)
        return document.wrong(fmt::format("{} and {} are one place", (*one)->name, (*other)->name));
    }
  }
  return {};
}

}  // namespace

bool Place::has_own_secret() const {
  using Kind = SecretReference::Kind;
  return passphrase.kind != Kind::kAsGiven || recovery_key.kind != Kind::kAsGiven ||
         key.kind != Kind::kAsGiven;
}

const Place* PlaceSet::find(std::string_view name) const {
  if (primary.name == name) return &primary;
  const auto found = std::ranges::find(copies, name, &Place::name);
  return found == copies.end() ? nullptr : &*found;
}

Result<SecretReference> parse_secret_reference(std::string_view text) {
  using Kind = SecretReference::Kind;
  constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"env:", Kind::kVariable}, {"file:", Kind::kFile}, {"command:", Kind::kCommand}};
  for (const auto& [start, kind] : kKinds) {
    if (text.starts_with(start) && text.size() > start.size())
      return SecretReference{.kind = kind, .value = std::string(text.substr(start.size()))};
  }
  return fail(ErrorCode::kInvalidArgument,
              "say where it is, with env:NAME, file:PATH or command:PROGRAM; it never stands in "
              "the file itself");
}

Result<PlaceSet> parse_place_file(std::string_view text, std::string_view path) {
  const yaml::Document document = TRY(yaml::Document::parse(text, path, kHint));
  PlaceSet set;
  TRY(document.root().for_each_pair("the file", [&](const yaml::Pair& pair) -> Result<void> {
    if (pair.key == "source") return read_source(pair.value, set);
    if (pair.key == "primary") {
      set.primary = TRY(read_place(document, pair.value, Role::kPrimary));
      return {};
    }
    if (pair.key != "copies") return pair.unknown("the file", {"source", "primary", "copies"});
    return pair.value.for_each_item("copies", [&](const yaml::Node& item) -> Result<void> {
      set.copies.push_back(TRY(read_place(document, item, Role::kCopy)));
      return {};
    });
  }));
  if (set.primary.name.empty()) return document.wrong("there is no primary");
  if (set.copies.size() > kCopiesMax)
    return document.wrong(fmt::format("more than {} copies", kCopiesMax));
  TRY(refuse_twins(document, set));
  return set;
}

}  // namespace backstay::policy
