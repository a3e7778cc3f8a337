#include "config/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/json.h"

namespace backstay::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Rule test_rule() {
  Vocabulary vocabulary;
  vocabulary.settings.emplace_back("threads", Rule{.kind = Rule::Kind::kText});
  vocabulary.settings.emplace_back("nice", Rule{.kind = Rule::Kind::kFlag});
  Rule backup{.kind = Rule::Kind::kSection};
  backup.add("paths", {.kind = Rule::Kind::kTexts});
  backup.add("exclude", {.kind = Rule::Kind::kTexts});
  backup.add("host", {.kind = Rule::Kind::kText});
  vocabulary.sections.emplace_back("backup", std::move(backup));
  return file_rule(vocabulary);
}

File load(std::string_view text, const std::string& path = "/c.yaml") {
  return File::load(text, path, test_rule()).value();
}

std::string what_is_wrong(std::string_view text, const std::string& path = "c.yaml") {
  const auto file = File::load(text, path, test_rule());
  EXPECT_FALSE(file.has_value()) << text;
  return file ? std::string() : file.error().describe();
}

std::vector<std::string> values_at(const Profile& profile, std::string_view section,
                                   std::string_view key) {
  std::vector<std::string> values;
  const Value* const found = profile.value.find(section)->find(key);
  if (found == nullptr) return values;
  for (const Value* const text : texts_of(*found)) values.push_back(text->text);
  return values;
}

constexpr std::string_view kYaml = R"(
repositories:
  main: {url: /r, password: "env:P"}
profiles:
  base:
    threads: 2
    backup: {exclude: ["*.tmp", "!keep.tmp", café], host: a}
jobs:
  home:
    extends: base
    repository: main
    backup:
      paths: /home
      host: b
)";

constexpr std::string_view kToml = R"(
[repositories.main]
url = "/r"
password = "env:P"
[profiles.base]
threads = 2
backup = {exclude = ["*.tmp", "!keep.tmp", "café"], host = "a"}
[jobs.home]
extends = "base"
repository = "main"
backup.paths = "/home"
backup.host = "b"
)";

TEST(ConfigFile, IsTheSameInYamlAndInToml) {
  for (const auto& [text, path] : {std::pair(kYaml, "/c.yaml"), std::pair(kToml, "/c.toml")}) {
    const File file = load(text, path);
    EXPECT_THAT(file.names(ProfileKind::kJob), ElementsAre("home"));
    EXPECT_THAT(file.names(ProfileKind::kProfile), ElementsAre("base"));
    const Profile home = file.profile("home").value();
    EXPECT_EQ(home.kind, ProfileKind::kJob);
    EXPECT_EQ(home.value.find("threads")->text, "2");
    EXPECT_EQ(home.value.find("extends"), nullptr);
    EXPECT_THAT(values_at(home, "backup", "exclude"), ElementsAre("*.tmp", "!keep.tmp", "café"));
    EXPECT_THAT(values_at(home, "backup", "paths"), ElementsAre("/home"));
    EXPECT_THAT(values_at(home, "backup", "host"), ElementsAre("b"));
    EXPECT_EQ(file.repository("main")->find("url")->text, "/r");
    EXPECT_EQ(file.repository("other"), nullptr);
  }
}

TEST(ConfigFile, KnowsWhereEachValueStands) {
  const Profile yaml = load(kYaml).profile("home").value();
  EXPECT_EQ(place_of("f", yaml.value.find("threads")->mark), "f:6:14");
  EXPECT_EQ(place_of("f", yaml.value.find("backup")->find("host")->mark), "f:14:13");
  const Profile toml = load(kToml, "/c.toml").profile("home").value();
  EXPECT_EQ(toml.value.find("threads")->mark.line, 6U);
}

TEST(ConfigFile, LaterProfilesOfExtendsComeFirst) {
  const Profile both = load(
                           "profiles:\n  a: {threads: 1, nice: true}\n  b: {threads: 2}\n"
                           "  c: {extends: [a, b]}\n")
                           .profile("c")
                           .value();
  EXPECT_EQ(both.value.find("threads")->text, "2");
  EXPECT_EQ(both.value.find("nice")->text, "true");
}

TEST(ConfigFile, SaysWhereItIsWrongAndWhatWasMeant) {
  EXPECT_EQ(what_is_wrong("profiles:\n  a:\n    thraeds: 2\n"),
            "c.yaml:3:5: a has no 'thraeds'; did you mean 'threads'?");
  EXPECT_EQ(what_is_wrong("[profiles.a]\nthraeds = 2\n", "c.toml"),
            "c.toml:2:1: a has no 'thraeds'; did you mean 'threads'?");
  EXPECT_EQ(what_is_wrong("profiles: {a: {nice: 3}}\n"), "c.yaml:1:22: nice must be true or false");
  EXPECT_EQ(what_is_wrong("profiles: {a: {threads: [1]}}\n"),
            "c.yaml:1:16: threads must be a text or a number, not a list");
  EXPECT_EQ(what_is_wrong("profiles: {a: {backup: [1]}}\n"),
            "c.yaml:1:16: backup must be 'name: value' pairs, or false, not a list");
  EXPECT_EQ(what_is_wrong("profiles: {a: {threads: }}\n"),
            "c.yaml:1:16: threads has no value: write one, or leave the key out");
  EXPECT_EQ(what_is_wrong("profiles: {\"a b\": {}}\n"),
            "c.yaml:1:13: 'a b' is no name: they are made of letters, digits, '-', '_' and '.', at "
            "most 64 of them");
  EXPECT_EQ(what_is_wrong("profiles: {a: {extends: b}}\n"), "c.yaml:1:25: there is no 'b'");
  EXPECT_THAT(what_is_wrong("profiles: {a: {extends: b}, b: {extends: a}}\n"),
              HasSubstr("'extends' goes in a circle: a extends b extends a"));
  EXPECT_THAT(what_is_wrong("repositories: {main: {url: /r}}\nprofiles: {a: {repository: mian}}\n"),
              HasSubstr("c.yaml:2:28: there is no repository 'mian'; did you mean 'main'?"));
  EXPECT_THAT(what_is_wrong("profiles: {a: {}}\njobs: {a: {}}\n"),
              HasSubstr("a is a profile and a job"));
  EXPECT_EQ(what_is_wrong("default_profile: x\n"), "c.yaml:1:18: there is no profile 'x'");
  EXPECT_EQ(what_is_wrong("version: 2\n"), "c.yaml:1:10: this program knows version 1 only");
  EXPECT_EQ(what_is_wrong("- a\n"), "c.yaml: the file must be a list of 'name: value'");
  EXPECT_THAT(what_is_wrong("a: 1\na: 2\n"), HasSubstr("c.yaml:2"));
  EXPECT_THAT(what_is_wrong("a = 1\na = 2\n", "c.toml"), HasSubstr("c.toml:2:"));
  EXPECT_THAT(what_is_wrong("a = 2026-11-23\n", "c.toml"), HasSubstr("write dates and times"));
}

TEST(ConfigFile, TakesAnyLanguageInQuotesAndCommentsOfToml) {
  const File file = load(
      "# \xc3\xa9\n[profiles.a.backup]\nexclude = [\"\\\"\xc3\xa9\", '\xe6\x96\x87', "
      "\"\"\"\xef\xbb\xb7\"\"\"]\n",
      "/c.toml");
  EXPECT_THAT(values_at(file.profile("a").value(), "backup", "exclude"),
              ElementsAre("\"\xc3\xa9", "\xe6\x96\x87", "\xef\xbb\xb7"));
}

TEST(ConfigFile, CountsColumnsOfTomlInCharacters) {
  EXPECT_THAT(what_is_wrong("profiles = {\"\xc3\xa9~\" = {}}\n", "c.toml"),
              HasSubstr("c.toml:1:13: '\xc3\xa9~' is no name"));
  EXPECT_THAT(what_is_wrong("profiles = {a = {description = \"\xc3\xa9~\", x = 1}}\n", "c.toml"),
              HasSubstr("c.toml:1:38: a has no 'x'"));
  EXPECT_THAT(what_is_wrong("version = \"\\u007e\"\n", "c.toml"), HasSubstr("an escape for ~"));
}

TEST(ConfigFile, CountsAllThatIsWrong) {
  EXPECT_THAT(what_is_wrong("a: 1\nb: 2\nc: 3\n"), HasSubstr("(and 2 more)"));
}

TEST(ConfigFile, TellsWhatYamlTakesForItself) {
  EXPECT_THAT(what_is_wrong("profiles: {a: {backup: {exclude: [*.tmp]}}}\n"),
              HasSubstr("put it in quotes"));
  EXPECT_THAT(what_is_wrong("profiles: {a: {backup: {exclude: !keep }}}\n"),
              HasSubstr("put it in quotes"));
  EXPECT_THAT(what_is_wrong("%YAML 1.2\n---\nversion: 1\n"), HasSubstr("YAML takes for itself"));
  EXPECT_THAT(what_is_wrong("version: 1\n---\nversion: 1\n"), HasSubstr("YAML takes for itself"));
  EXPECT_THAT(what_is_wrong("version: \"\x01\"\n"), HasSubstr("no text in UTF-8"));
  EXPECT_THAT(what_is_wrong("u \x95= 0\n", "c.toml"), HasSubstr("no text in UTF-8"));
  EXPECT_THAT(what_is_wrong("[`a]\n", "c.toml"), HasSubstr("c.toml:1:2"));
  EXPECT_THAT(what_is_wrong("a\xef\xbb\xb7 = 0\n", "c.toml"), HasSubstr("c.toml:1:2"));
  EXPECT_THAT(what_is_wrong("version: \xc0\x80\n"), HasSubstr("no text in UTF-8"));
}

TEST(ConfigFile, NeverRepeatsWhatMayBeASecret) {
  const std::string said = what_is_wrong("repositories: {a: {url: /a, password: hunter2}}\n");
  EXPECT_THAT(said, Not(HasSubstr("hunter2")));
  EXPECT_THAT(said, HasSubstr("env:NAME, file:PATH or command:PROGRAM"));
  EXPECT_EQ(without_password("ftp://me:secret@host/x:y@z"), "ftp://me:***@host/x:y@z");
  EXPECT_EQ(without_password("s3://bucket/a@b:c"), "s3://bucket/a@b:c");
  EXPECT_EQ(without_password("sftp://me@host:22/x"), "sftp://me@host:22/x");
}

TEST(ConfigFile, KnowsWhetherItHoldsSecrets) {
  EXPECT_FALSE(load(kYaml).holds_secrets());
  const auto with = [](const std::string& variable) {
    return load("repositories: {a: {url: /a, environment: {" + variable + "}}}\n").holds_secrets();
  };
  EXPECT_FALSE(with("AWS_SECRET_ACCESS_KEY: \"file:/s\""));
  EXPECT_FALSE(with("AWS_REGION: eu-1"));
  EXPECT_TRUE(with("AWS_SECRET_ACCESS_KEY: abc"));
  EXPECT_TRUE(load("repositories: {a: {url: \"ftp://u:p@h/x\"}}\n").holds_secrets());
}

TEST(ConfigFile, RefusesProfilesThatTakeOverTooMuch) {
  std::string text = "profiles:\n  p0: {}\n";
  for (int i = 1; i < 30; ++i)
    text += "  p" + std::to_string(i) + ": {extends: [p" + std::to_string(i - 1) + ", p" +
            std::to_string(i - 1) + "]}\n";
  EXPECT_THAT(what_is_wrong(text), HasSubstr("extends too much"));
}

TEST(Expansion, ReplacesVariablesThatAreSet) {
  const Lookup lookup = [](std::string_view name) {
    return name == "HOME" ? std::optional<std::string>("/root") : std::nullopt;
  };
  EXPECT_EQ(expand("${HOME}/x$HOME", lookup).value(), "/root/x$HOME");
  EXPECT_EQ(expand("${A:-b}$$ ${A B} ${", lookup).value(), "b$ ${A B} ${");
  EXPECT_EQ(expand("${HOME}${GONE}", lookup).error().message(), "the variable GONE is not set");
  EXPECT_THAT(unset_variables("${A}${HOME}${B:-x}", lookup), ElementsAre("A"));
}

TEST(ConfigSchema, HasEveryKeyOfTheRuleAndNoOther) {
  const json::Json schema = schema_of(test_rule());
  const auto& job = schema["properties"]["jobs"]["patternProperties"].front();
  EXPECT_FALSE(job["additionalProperties"].get<bool>());
  EXPECT_TRUE(job["properties"].contains("threads"));
  EXPECT_TRUE(job["properties"]["backup"]["anyOf"][0]["properties"].contains("exclude"));
  EXPECT_FALSE(job["properties"].contains("url"));
}

}  // namespace
}  // namespace backstay::config
