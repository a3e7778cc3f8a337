#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/exit_code.h"
#include "cli/help_text.h"
#include "cli/parser.h"

namespace backstay::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FakeEnvironment final : public Environment {
 public:
  std::map<std::string, std::string, std::less<>> values;
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const override {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  }
};

// A program with one command "copy" of every kind of option and argument, and "key" with commands
// below it.
class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    Command copy{.name = "copy", .summary = "Copy", .description = {}};
    copy.options = {flag("-f,--force", force_, "force"),
                    texts("-e,--exclude", "GLOB", excludes_, "exclude"),
                    text("--label", "TEXT", label_, "label"),
                    size("--limit", limit_, "limit"),
                    number("--latest", "N", latest_, {1, 10}, "latest"),
                    choice<int>("--mode", "MODE", mode_, {{"slow", 1}, {"fast", 2}}, "mode")};
    copy.arguments = {argument("FROM", Arity::kOne), argument("MORE", Arity::kAny),
                      argument("TO", Arity::kOne)};
    copy.run = [](Context&) -> Result<ExitCode> { return ExitCode::kDone; };
    Command list{.name = "list", .summary = "List", .description = {}, .run = copy.run};
    Command key{.name = "key", .summary = "Keys", .description = {}};
    key.commands = {list};
    Command stream{.name = "stream", .summary = "Stream", .description = {}};
    stream.arguments = {argument("PATH", Arity::kAny)};
    stream.trailing = argument("CMD", Arity::kAny);
    stream.run = copy.run;
    Command need{.name = "need", .summary = "Need", .description = {}, .run = copy.run};
    need.options = {place("--target", "DIR", label_, "target")};
    need.options[0].required = true;
    Option repo = place("-r,--repo", "URL", repo_, "repository");
    repo.environment = "TEST_REPO";
    Option later = text("--secret-file", "FILE", secret_, "secret");
    later.environment = "TEST_SECRET";
    later.environment_use = EnvironmentUse::kDocumented;
    program_ = {.options = {repo, later, flag("--json", json_, "json")},
                .commands = {copy, key, stream, need}};
  }

  Argument argument(std::string name, Arity arity) {
    return {.name = name,
            .help = "help",
            .arity = arity,
            .set = [this, name](std::string_view word) -> Result<void> {
              words_.push_back(name + "=" + std::string(word));
              return {};
            }};
  }
  Parsed parse_words(const std::vector<std::string>& words) {
    return parse(program_, words, environment_);
  }
  void expect_error(const std::vector<std::string>& words, const std::string& message,
                    const std::string& hint = "") {
    const Parsed parsed = parse_words(words);
    ASSERT_TRUE(parsed.error) << testing::PrintToString(words);
    EXPECT_EQ(parsed.error->code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error->describe(), HasSubstr(message));
    EXPECT_THAT(parsed.error->hint(), HasSubstr(hint));
  }
  void expect_good(const std::vector<std::string>& words) {
    const Parsed parsed = parse_words(words);
    EXPECT_FALSE(parsed.error) << parsed.error->describe();
    EXPECT_EQ(parsed.wish, Wish::kRun);
  }

  bool force_ = false;
  bool json_ = false;
  int mode_ = 0;
  std::uint64_t limit_ = 0;
  std::uint64_t latest_ = 0;
  std::string label_;
  std::string repo_;
  std::string secret_;
  std::vector<std::string> excludes_;
  std::vector<std::string> words_;
  Program program_;
  FakeEnvironment environment_;
};

TEST_F(CommandLine, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  expect_good({"--json", "copy", "-r", "/x", "a", "b", "-f"});
  EXPECT_TRUE(json_);
  EXPECT_TRUE(force_);
  EXPECT_EQ(repo_, "/x");
  EXPECT_THAT(words_, ElementsAre("FROM=a", "TO=b"));
}

TEST_F(CommandLine, TakesValuesInEveryForm) {
  expect_good({"copy", "--exclude=a", "--exclude", "b", "-ec", "-e", "d", "--limit=1.5K", "--mode",
               "fast", "x", "y"});
  EXPECT_THAT(excludes_, ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(limit_, 1536U);
  EXPECT_EQ(mode_, 2);
}

TEST_F(CommandLine, TakesValuesThatLookLikeSomethingElse) {
  expect_good({"copy", "-e", "-x", "-e", "[a,b]", "-e", "{}", "-e", "a,b", "-e", "--force",
               "-e=", "x", "y"});
  EXPECT_THAT(excludes_, ElementsAre("-x", "[a,b]", "{}", "a,b", "--force", "="));
  EXPECT_FALSE(force_);
}

TEST_F(CommandLine, TakesEmptyValues) {
  label_ = "before";
  expect_good({"copy", "--label=", "x", "y", "--exclude", ""});
  EXPECT_EQ(label_, "");
  EXPECT_THAT(excludes_, ElementsAre(""));
  EXPECT_THAT(words_, ElementsAre("FROM=x", "TO=y"));
}

TEST_F(CommandLine, LastOfARepeatedOptionCounts) {
  expect_good({"copy", "--label", "one", "--label", "two", "x", "y"});
  EXPECT_EQ(label_, "two");
}

TEST_F(CommandLine, RefusesASecondPlaceWhereverItStands) {
  expect_error({"need", "--target", "one", "--target", "two"}, "--target is given twice",
               "once for each");
  expect_error({"need", "--target=one", "--target=one"}, "--target is given twice");
  expect_error({"-r", "/a", "stream", "--repo", "/b"}, "--repo is given twice");
  environment_.values = {{"TEST_REPO", "/env"}};
  expect_good({"need", "--target", "one", "-r", "/b"});
  EXPECT_EQ(repo_, "/b");
}

TEST_F(CommandLine, TakesEverythingAfterTwoDashesAsArguments) {
  expect_good({"copy", "a", "--", "--force", "-e", "--", "z"});
  EXPECT_THAT(words_, ElementsAre("FROM=a", "MORE=--force", "MORE=-e", "MORE=--", "TO=z"));
  EXPECT_FALSE(force_);
}

TEST_F(CommandLine, GivesWordsAfterTwoDashesToTheTrailingArgument) {
  expect_good({"stream", "a", "--", "pg_dump", "-x", "--json"});
  EXPECT_THAT(words_, ElementsAre("PATH=a", "CMD=pg_dump", "CMD=-x", "CMD=--json"));
  EXPECT_FALSE(json_);
}

TEST_F(CommandLine, TakesArgumentsThatAreCalledLikeCommandsOrLists) {
  expect_good({"copy", "key", "[a]", "list", "copy"});
  EXPECT_THAT(words_, ElementsAre("FROM=key", "MORE=[a]", "MORE=list", "TO=copy"));
}

TEST_F(CommandLine, FindsCommandsBelowCommands) {
  const Parsed parsed = parse_words({"key", "list"});
  ASSERT_FALSE(parsed.error);
  ASSERT_EQ(parsed.commands.size(), 2U);
  EXPECT_EQ(parsed.command()->name, "list");
  EXPECT_EQ(typed_name(parsed.commands), "backstay key list");
}

TEST_F(CommandLine, FallsBackToTheEnvironment) {
  environment_.values = {{"TEST_REPO", "/env"}, {"TEST_SECRET", "/secret"}};
  expect_good({"key", "list"});
  EXPECT_EQ(repo_, "/env");
  EXPECT_EQ(secret_, "") << "the command looks there itself";
  expect_good({"key", "list", "--repo", "/given"});
  EXPECT_EQ(repo_, "/given");
}

TEST_F(CommandLine, SuggestsTheCommandThatWasMeant) {
  expect_error({"cpoy", "a"}, "there is no command 'cpoy'", "Did you mean 'copy'?");
  expect_error({"key", "lst"}, "there is no command 'lst'", "Did you mean 'list'?");
  expect_error({"zzzzzz"}, "there is no command 'zzzzzz'", "'backstay help' lists the commands.");
}

TEST_F(CommandLine, SuggestsTheOptionThatWasMeant) {
  expect_error({"copy", "--exlude", "x", "a", "b"}, "there is no option '--exlude'",
               "Did you mean --exclude?");
  expect_error({"copy", "--jso=1", "a", "b"}, "there is no option '--jso'", "Did you mean --json?");
  expect_error({"--rep", "x", "copy"}, "there is no option '--rep'", "Did you mean --repo?");
  expect_error({"copy", "-fz", "a", "b"}, "there is no option '-z'");
}

TEST_F(CommandLine, NamesWhatIsMissing) {
  expect_error({}, "a command is missing");
  expect_error({"key"}, "a command is missing");
  expect_error({"copy", "a"}, "TO is missing");
  expect_error({"need"}, "--target DIR is missing");
  expect_error({"copy", "a", "b", "--label"}, "--label needs a value");
}

TEST_F(CommandLine, RefusesWhatIsTooMuch) {
  expect_error({"need", "--target", "x", "y"}, "there is nothing to do with 'y'");
  expect_error({"copy", "--force=yes", "a", "b"}, "--force takes no value");
}

TEST_F(CommandLine, SaysWhichValueIsWrong) {
  expect_error({"copy", "--limit", "lots", "a", "b"}, "--limit: 'lots' is not a size");
  expect_error({"copy", "--latest", "11", "a", "b"},
               "--latest: '11' is not a whole number from 1 to 10");
  expect_error({"copy", "--latest", "-1", "a", "b"}, "'-1' is not a whole number");
  expect_error({"copy", "--mode", "quick", "a", "b"}, "--mode: 'quick' is none of: slow, fast");
}

TEST_F(CommandLine, KnowsWhoseFormToShowWhenUsageIsWrong) {
  EXPECT_EQ(usage_line(parse_words({"copy"}).commands),
            "backstay copy FROM [MORE...] TO [options]");
  EXPECT_EQ(usage_line(parse_words({"copy", "--label"}).commands),
            "backstay copy FROM [MORE...] TO [options]");
  EXPECT_EQ(usage_line(parse_words({"key"}).commands), "backstay key list");
  EXPECT_EQ(usage_line(parse_words({"need"}).commands), "backstay need --target DIR");
  EXPECT_EQ(usage_line(parse_words({"stream", "-z"}).commands),
            "backstay stream [PATH...] [-- CMD]");
}

TEST_F(CommandLine, WantsHelpWhereverItIsAskedFor) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"-h"},
                                             {"copy", "--help"},
                                             {"copy", "-h", "--nonsense"},
                                             {"--help", "copy"}}) {
    EXPECT_EQ(parse_words(words).wish, Wish::kHelp) << testing::PrintToString(words);
  }
  EXPECT_EQ(parse_words({"--version"}).wish, Wish::kVersion);
}

// ---- the real program

class RealProgram : public testing::Test {
 protected:
  GlobalOptions options_;
  Program program_ = make_program(options_);
  FakeEnvironment environment_;
  Parsed parse_words(const std::vector<std::string>& words) {
    return parse(program_, words, environment_);
  }

  template <typename Each>
  void for_each_path(const Each& each) {
    each(CommandPath{});
    for (const Command& command : program_.commands) {
      each(CommandPath{&command});
      for (const Command& child : command.commands) each(CommandPath{&command, &child});
    }
  }
};

TEST_F(RealProgram, NeverTakesAPassphraseFromTheCommandLine) {
  for_each_path([&](const CommandPath& path) {
    for (const Option& option : path.empty() ? program_.options : path.back()->options) {
      EXPECT_NE(option.long_name(), "--password");
      EXPECT_NE(option.long_name(), "--new-password");
    }
  });
}

TEST_F(RealProgram, HelpNamesEveryOptionAndFitsTheTerminal) {
  for_each_path([&](const CommandPath& path) {
    const std::string help = help_text(program_, path, 80);
    for (const Option& option : path.empty() ? program_.options : path.back()->options) {
      EXPECT_THAT(help, HasSubstr(option.long_name()));
    }
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
      const bool example = line.starts_with("  backstay ") || line.starts_with("  # ");
      EXPECT_TRUE(line.size() <= 80 || example || line.starts_with("Usage: ")) << line;
    }
  });
}

TEST_F(RealProgram, EveryExampleIsRightUsage) {
  std::size_t examples = 0;
  for_each_path([&](const CommandPath& path) {
    if (path.empty()) return;
    for (const Example& example : path.back()->examples) {
      std::istringstream in(example.line);
      std::vector<std::string> words;
      for (std::string word; in >> word && word != "|" && word != ">";) {
        std::erase(word, '\'');
        words.push_back(word);
      }
      ASSERT_EQ(words.front(), "backstay");
      words.erase(words.begin());
      // The label of this example has blanks.
      if (words.size() > 3 && words[2] == "--label") words.resize(4);
      const Parsed parsed = parse_words(words);
      EXPECT_FALSE(parsed.error) << example.line << ": " << parsed.error->describe();
      ++examples;
    }
  });
  EXPECT_GT(examples, 15U);
}

TEST_F(RealProgram, ManPagesHaveWhatManLooksFor) {
  for_each_path([&](const CommandPath& path) {
    const std::string page = man_page(program_, path);
    EXPECT_THAT(page, testing::StartsWith(".TH \"BACKSTAY"));
    EXPECT_THAT(page, HasSubstr("\n.SH NAME\nbackstay"));
    EXPECT_THAT(page, HasSubstr("\n.SH EXIT STATUS\n"));
  });
}

TEST_F(RealProgram, CompletionScriptsKnowEveryCommand) {
  for (const std::string& script :
       {bash_completion(program_), zsh_completion(program_), fish_completion(program_)}) {
    for (const Command& command : program_.commands) EXPECT_THAT(script, HasSubstr(command.name));
    EXPECT_THAT(script, HasSubstr("change-password"));
    EXPECT_THAT(script, HasSubstr("differential"));
  }
}

TEST_F(RealProgram, RefusesTooLittleMemory) {
  const Parsed parsed = parse_words({"version", "--memory-limit", "1MiB"});
  ASSERT_TRUE(parsed.error);
  EXPECT_THAT(parsed.error->describe(), HasSubstr("--memory-limit: less than 64MiB"));
}

TEST(ExitCodes, AreThoseThatScriptsRelyOn) {
  const std::map<ErrorCode, int> expected{
      {ErrorCode::kNotFound, 1},        {ErrorCode::kNoRepository, 10},
      {ErrorCode::kAlreadyExists, 1},   {ErrorCode::kCorruption, 13},
      {ErrorCode::kUnavailable, 1},     {ErrorCode::kPermissionDenied, 1},
      {ErrorCode::kWrongKey, 12},       {ErrorCode::kConflict, 11},
      {ErrorCode::kInvalidArgument, 2}, {ErrorCode::kUnsupported, 1},
      {ErrorCode::kNoSpace, 1},         {ErrorCode::kCancelled, 130},
      {ErrorCode::kInternal, 1}};
  for (const auto& [code, number] : expected) {
    EXPECT_EQ(static_cast<int>(exit_code_of(code)), number) << to_string(code);
  }
  EXPECT_EQ(static_cast<int>(ExitCode::kPartial), 3);
}

TEST(Suggestions, AreForSlipsOnly) {
  const std::vector<std::string> words{"backup", "restore", "snapshots", "ls", "check"};
  EXPECT_EQ(nearest("bakup", words), "backup");
  EXPECT_EQ(nearest("bcakup", words), "backup");
  EXPECT_EQ(nearest("snap", words), "snapshots");
  EXPECT_EQ(nearest("lsd", words), "ls");
  EXPECT_EQ(nearest("find", words), std::nullopt);
  EXPECT_EQ(nearest("", words), std::nullopt);
}

TEST_F(CommandLine, TakesFromSettingsWhatNothingElseSays) {
  environment_.values["TEST_REPO"] = "/environment";
  const ReadSettings settings = [](const auto& commands, const AlreadyGiven& given) {
    EXPECT_EQ(commands.back()->name, "copy");
    EXPECT_TRUE(given.words);
    EXPECT_TRUE(given.options.contains("--label") && given.options.contains("--repo"));
    return Result<Settings>(
        {.program = {{.name = "--repo", .values = {"/file"}, .origin = "f:1"},
                     {.name = "--json", .values = {"true"}, .origin = "f:2"}},
         .command = {{.name = "--label", .values = {"file"}, .origin = "f:3"},
                     {.name = "--exclude", .values = {"a", "b"}, .origin = "f:4"},
                     {.name = "--force", .values = {"false"}, .origin = "f:5"}}});
  };
  const Parsed parsed =
      parse(program_, {"copy", "from", "to", "--label", "line"}, environment_, settings);
  ASSERT_FALSE(parsed.error) << parsed.error->describe();
  EXPECT_EQ(repo_, "/environment");
  EXPECT_EQ(label_, "line");
  EXPECT_TRUE(json_);
  EXPECT_FALSE(force_);
  EXPECT_THAT(excludes_, ElementsAre("a", "b"));
}

TEST_F(CommandLine, NamesThePlaceOfASettingThatIsWrong) {
  const ReadSettings settings = [](const auto&, const AlreadyGiven&) {
    return Result<Settings>(
        {.program = {}, .command = {{.name = "--latest", .values = {"x"}, .origin = "f:7:3"}}});
  };
  const Parsed parsed = parse(program_, {"copy", "from", "to"}, environment_, settings);
  ASSERT_TRUE(parsed.error);
  EXPECT_THAT(parsed.error->describe(), HasSubstr("f:7:3: latest: 'x' is not a whole number"));
}

TEST_F(CommandLine, KeepsTheWordsOfTheWholeProgram) {
  const Parsed parsed = parse_words({"--json", "-r", "/x", "copy", "from", "to", "--force"});
  EXPECT_THAT(parsed.program_words, testing::UnorderedElementsAre("--json", "--repo=/x"));
}

}  // namespace
}  // namespace backstay::cli
