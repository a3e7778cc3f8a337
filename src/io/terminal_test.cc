#include "io/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "io/file.h"

namespace backstay::io {
namespace {

// A terminal without a person: what the test writes to `keys` is typed, what stands there is shown.
struct PseudoTerminal {
  PseudoTerminal() : keys(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(keys.get()), 0);
    EXPECT_EQ(::unlockpt(keys.get()), 0);
    screen = Fd(::open(::ptsname(keys.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  [[nodiscard]] bool echoes() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(screen.get(), &now), 0);
    return (now.c_lflag & ECHO) != 0 && (now.c_lflag & ISIG) != 0;
  }
  // Waits for the prompt, because what is typed before it is thrown away.
  void type_after_prompt(const std::string& prompt, std::string_view answer) const {
    Bytes text(prompt.size());
    EXPECT_TRUE(read_full(keys.get(), text).has_value());
    EXPECT_EQ(as_text(text), prompt);
    EXPECT_TRUE(write_full(keys.get(), as_bytes(answer)).has_value());
  }
  Fd keys;
  Fd screen;
};

std::string shown(const PseudoTerminal& terminal, std::size_t length) {
  Bytes text(length);
  EXPECT_EQ(read_full(terminal.keys.get(), text).value(), length);
  return std::string(as_text(text));
}

// Answers, and takes the line end off the screen that follows the answer.
Result<Bytes> ask(const PseudoTerminal& terminal, std::string_view answer) {
  std::jthread typist([&] { terminal.type_after_prompt("Passphrase: ", answer); });
  Result<Bytes> line = read_passphrase_from(terminal.screen.get(), "Passphrase: ");
  typist.join();
  EXPECT_EQ(shown(terminal, 2), "\r\n");
  return line;
}

TEST(ReadPassphrase, GivesTheLineAndShowsNothingOfIt) {
  const PseudoTerminal terminal;
  EXPECT_EQ(as_text(ask(terminal, "correct horse\n").value()), "correct horse");
  EXPECT_TRUE(terminal.echoes());
  ASSERT_TRUE(write_full(terminal.screen.get(), as_bytes("end")).has_value());
  EXPECT_EQ(shown(terminal, 3), "end");
}

TEST(ReadPassphrase, KnowsTheEraseKeyAndTakesAnEmptyAnswer) {
  const PseudoTerminal terminal;
  EXPECT_EQ(as_text(ask(terminal, "pasz\x7fs\n").value()), "pass");
  EXPECT_EQ(as_text(ask(terminal, "\n").value()), "");
}

TEST(ReadPassphrase, IsCancelledByCtrlCAndEchoesAgain) {
  const PseudoTerminal terminal;
  for (const std::string_view keys : {"\x03", "half\x03", "half\x1c"}) {
    const auto answer = ask(terminal, keys);
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code(), ErrorCode::kCancelled);
    EXPECT_TRUE(terminal.echoes());
  }
}

TEST(ReadPassphrase, IsCancelledByARequestToStopAndEchoesAgain) {
  const PseudoTerminal terminal;
  std::stop_source stop;
  std::jthread other([&] {
    terminal.type_after_prompt("Passphrase: ", "half");
    EXPECT_FALSE(terminal.echoes());
    stop.request_stop();
  });
  const auto answer = read_passphrase_from(terminal.screen.get(), "Passphrase: ", stop.get_token());
  other.join();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code(), ErrorCode::kCancelled);
  EXPECT_TRUE(terminal.echoes());
}

TEST(ReadPassphrase, FailsOnWhatIsNoTerminal) {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(read_passphrase_from(null.get(), "?").has_value());
  EXPECT_FALSE(is_terminal(null.get()));
}

TEST(TerminalWidth, FollowsTheTerminalAndGuesses80) {
  const PseudoTerminal terminal;
  EXPECT_TRUE(is_terminal(terminal.screen.get()));
  winsize size{};
  size.ws_col = 123;
  ASSERT_EQ(::ioctl(terminal.keys.get(), TIOCSWINSZ, &size), 0);
  EXPECT_EQ(terminal_width(terminal.screen.get()), 123U);
  EXPECT_EQ(terminal_width(-1), 80U);
}

}  // namespace
}  // namespace backstay::io
