#include "io/process.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "io/file.h"

namespace backstay::io {
namespace {

using Words = std::vector<std::string>;

std::string all_output(ChildProcess& child) {
  std::string text;
  Bytes buffer(7);
  for (;;) {
    const auto got = child.read_stdout(buffer);
    if (!got) return got.error().describe();
    if (*got == 0) return text;
    text += as_text(ByteView(buffer).first(*got));
  }
}

TEST(SplitCommand, KnowsQuotesAndBackslashesAndNothingElse) {
  EXPECT_EQ(split_command("pass show  backup").value(), (Words{"pass", "show", "backup"}));
  EXPECT_EQ(split_command(R"(a 'b  "c' "d 'e\" \\ \n" f\ g)").value(),
            (Words{"a", R"(b  "c)", R"(d 'e" \ \n)", "f g"}));
  EXPECT_EQ(split_command(R"(a '' "" x''y)").value(), (Words{"a", "", "", "xy"}));
  EXPECT_EQ(split_command("echo $HOME;ls *").value(), (Words{"echo", "$HOME;ls", "*"}));
}

TEST(SplitCommand, RefusesWhatIsNotFinished) {
  for (const char* const line : {"", "  ", "a 'b", "a \"b", "a \"b\\\"", "a \\"}) {
    const auto words = split_command(line);
    ASSERT_FALSE(words.has_value()) << line;
    EXPECT_EQ(words.error().code(), ErrorCode::kInvalidArgument) << line;
  }
}

TEST(ChildProcess, ReadsWhatItIsGivenAndNothingElse) {
  for (const std::size_t size : {1U, 65536U, 300000U}) {
    const Bytes input(size, 'x');
    ChildProcess child = std::move(ChildProcess::start({"wc", "-c"}, input)).value();
    EXPECT_EQ(std::stoul(all_output(child)), size);
    EXPECT_EQ(*child.wait(), 0);
  }
}

TEST(ChildProcess, GivesItsOutputAndItsExitCode) {
  ChildProcess child = std::move(ChildProcess::start({"sh", "-c", "echo one two; exit 7"})).value();
  EXPECT_EQ(all_output(child), "one two\n");
  EXPECT_EQ(child.wait().value(), 7);
  EXPECT_FALSE(child.wait().has_value());
}

TEST(ChildProcess, NeedsNoShellAndExpandsNothing) {
  ChildProcess child =
      std::move(ChildProcess::start({"printf", "%s|", "$HOME", "a b", ""})).value();
  EXPECT_EQ(all_output(child), "$HOME|a b||");
  EXPECT_EQ(child.wait().value(), 0);
}

TEST(ChildProcess, FindsAnEmptyStandardInput) {
  ChildProcess child = std::move(ChildProcess::start({"cat"})).value();
  EXPECT_EQ(all_output(child), "");
  EXPECT_EQ(child.wait().value(), 0);
}

TEST(ChildProcess, GivesVariablesAndDescriptorsToThatProgramAlone) {
  const Fd file = std::move(create_nameless_file("/tmp")).value();
  ASSERT_TRUE(pwrite_full(file.get(), as_bytes("kept open"), 0));
  const std::string command =
      "cat /dev/fd/" + std::to_string(file.get()) + "; echo \" $GIVEN $HOME\"";
  ChildProcess child =
      std::move(ChildProcess::start({"sh", "-c", command}, {},
                                    {.variables = {{"GIVEN", "a b"}, {"HOME", "/there"}},
                                     .descriptors = {file.get()}}))
          .value();
  EXPECT_EQ(all_output(child), "kept open a b /there\n");
  EXPECT_EQ(std::getenv("GIVEN"), nullptr);
  ChildProcess other = std::move(ChildProcess::start({"sh", "-c", command + " 2>&1"})).value();
  EXPECT_EQ(all_output(other).find("kept open"), std::string::npos);
}

TEST(ChildProcess, NamesAProgramThatDoesNotExist) {
  const auto child = ChildProcess::start({"/nonexistent/program"});
  ASSERT_FALSE(child.has_value());
  EXPECT_EQ(child.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(child.error().describe().find("/nonexistent/program"), std::string::npos);
  EXPECT_FALSE(ChildProcess::start({}).has_value());
}

TEST(ChildProcess, TellsOfASignalAsShellsDo) {
  ChildProcess child = std::move(ChildProcess::start({"sh", "-c", "kill -KILL $$"})).value();
  EXPECT_EQ(child.wait().value(), 128 + SIGKILL);
}

TEST(ChildProcess, EndsWhenWeStopReading) {
  ChildProcess child = std::move(ChildProcess::start({"yes"})).value();
  Bytes buffer(100);
  EXPECT_GT(child.read_stdout(buffer).value(), 0U);
  // Were SIGPIPE still ignored or blocked in it, yes would complain with exit code 1.
  EXPECT_EQ(child.wait().value(), 128 + SIGPIPE);
}

TEST(ChildProcess, DoesNotInheritWhatWeBlockAndIgnore) {
  sigset_t set;
  sigset_t before;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &set, &before), 0);
  auto* const old_action = std::signal(SIGPIPE, SIG_IGN);
  {
    ChildProcess child = std::move(ChildProcess::start({"yes"})).value();
    EXPECT_EQ(child.wait().value(), 128 + SIGPIPE);
  }
  std::signal(SIGPIPE, old_action);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(ChildProcess, IsEndedWithItsOwner) {
  pid_t pid = 0;
  {
    ChildProcess child =
        std::move(ChildProcess::start({"sh", "-c", "echo $$; exec sleep 100"})).value();
    Bytes buffer(32);
    const std::size_t got = child.read_stdout(buffer).value();
    pid = std::stoi(std::string(as_text(ByteView(buffer).first(got))));
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(ChildProcess, StopsWaitingForOutputWhenAsked) {
  ChildProcess child = std::move(ChildProcess::start({"sleep", "100"})).value();
  std::stop_source stop;
  std::jthread asker([&] { stop.request_stop(); });
  Bytes buffer(10);
  const auto got = child.read_stdout(buffer, stop.get_token());
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), ErrorCode::kCancelled);
}

TEST(ChildProcess, StopsWaitingForTheEndWhenAskedAndMayBeWaitedForAgain) {
  ChildProcess child =
      std::move(ChildProcess::start({"sh", "-c", "exec >&-; exec sleep 100"})).value();
  EXPECT_EQ(all_output(child), "");
  std::stop_source stop;
  std::jthread asker([&] { stop.request_stop(); });
  const auto ended = child.wait(stop.get_token());
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code(), ErrorCode::kCancelled);
  EXPECT_FALSE(child.wait(stop.get_token()).has_value());
}

TEST(ChildProcess, IsEndedEvenWhenItIgnoresPoliteRequests) {
  pid_t pid = 0;
  {
    ChildProcess child =
        std::move(ChildProcess::start({"sh", "-c", "trap '' TERM INT; echo $$; exec sleep 100"}))
            .value();
    Bytes buffer(32);
    const std::size_t got = child.read_stdout(buffer).value();
    pid = std::stoi(std::string(as_text(ByteView(buffer).first(got))));
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(ChildProcess, DoesNotSeeOurPassphrasesAndKeys) {
  ::setenv("BACKSTAY_PASSWORD", "secret", 1);
  ::setenv("BACKSTAY_NEW_PASSWORD", "secret", 1);
  ::setenv("BACKSTAY_RECOVERY_KEY", "secret", 1);
  ::setenv("BACKSTAY_PASSWORD_FILE", "named", 1);
  ::setenv("BACKSTAY_REPO", "named too", 1);
  ChildProcess child = std::move(ChildProcess::start({"env"})).value();
  const std::string seen = all_output(child);
  for (const char* name : {"BACKSTAY_PASSWORD", "BACKSTAY_NEW_PASSWORD", "BACKSTAY_RECOVERY_KEY",
                           "BACKSTAY_PASSWORD_FILE", "BACKSTAY_REPO"})
    ::unsetenv(name);
  EXPECT_EQ(seen.find("secret"), std::string::npos);
  EXPECT_NE(seen.find("BACKSTAY_PASSWORD_FILE=named"), std::string::npos);
  EXPECT_NE(seen.find("BACKSTAY_REPO=named too"), std::string::npos);
}

ChildProcess::Moment in_seconds(int seconds) {
  return std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
}

// Somebody whom the program started keeps the pipe; but not this test's standard error, at whose
// end the one who runs the tests may wait.
TEST(ChildProcess, HasAnsweredWhenItHasEndedAndThePipeIsSilent) {
  ChildProcess child =
      std::move(
          ChildProcess::start({"sh", "-c", "echo one; sleep 100 2>/dev/null & exit 3"}, {},
                              {.variables = {}, .descriptors = {}, .group = ProcessGroup::kOwn}))
          .value();
  std::string answer;
  Bytes buffer(100);
  while (const std::size_t got = child.read_answer(buffer, {}, in_seconds(60)).value())
    answer += as_text(ByteView(buffer).first(got));
  EXPECT_EQ(answer, "one\n");
  EXPECT_EQ(child.wait({}, in_seconds(60)).value(), 3);
}

TEST(ChildProcess, IsNotWaitedForLongerThanItMayTake) {
  ChildProcess silent = std::move(ChildProcess::start({"sleep", "100"})).value();
  Bytes buffer(100);
  EXPECT_EQ(silent.read_answer(buffer, {}, in_seconds(0)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(silent.wait({}, in_seconds(0)).error().code(), ErrorCode::kUnavailable);
}

TEST(ChildProcess, IsEndedWithAllThatItStarted) {
  std::vector<pid_t> pids;
  {
    ChildProcess child =
        std::move(ChildProcess::start(
                      {"sh", "-c", "sh -c \"trap '' TERM; echo \\$\\$; sleep 100\" & wait"}, {},
                      {.variables = {}, .descriptors = {}, .group = ProcessGroup::kOwn}))
            .value();
    Bytes buffer(32);
    const std::size_t got = child.read_answer(buffer, {}, in_seconds(60)).value();
    pids.push_back(std::stoi(std::string(as_text(ByteView(buffer).first(got)))));
  }
  // It is nobody's child here: it dies a moment later, and may stay a zombie until whoever took it
  // in has noticed.
  const auto lives = [](pid_t pid) {
    const auto status = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    const std::string text = status ? std::string(as_text(*status)) : ") Z";
    return text.substr(text.rfind(')') + 2, 1) != "Z";
  };
  for (const pid_t pid : pids) {
    for (int times = 0; times < 500 && lives(pid); ++times)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(lives(pid)) << pid;
  }
}

}  // namespace
}  // namespace backstay::io
