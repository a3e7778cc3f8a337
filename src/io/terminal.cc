#include "io/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "io/failure.h"
#include "io/file.h"
#include "io/readiness.h"

namespace backstay::io {
namespace {

// A terminal hands over at most this much of a line, its end included.
constexpr std::size_t kLineMax = 4096;

// Switches echo off, and signals by key with it: a Ctrl-C that killed the program here would leave
// the terminal mute. Instead the keys end the line like Enter does, and stand at its end.
class MuteTerminal {
 public:
  static Result<MuteTerminal> start(int terminal) {
    termios before{};
    if (::tcgetattr(terminal, &before) != 0) {
      return fail_io(errno, "looking at the settings of the terminal");
    }
    termios muted = before;
    constexpr tcflag_t kOff = ECHO | ECHOE | ECHOK | ECHONL | ISIG;
    muted.c_lflag &= ~kOff;
    muted.c_lflag |= ICANON;
    muted.c_cc[VEOL] = before.c_cc[VINTR];
    muted.c_cc[VEOL2] = before.c_cc[VQUIT];
    // Set before anything is owned, because a half-made change is also undone.
    MuteTerminal mute(terminal, before);
    if (::tcsetattr(terminal, TCSAFLUSH, &muted) != 0) {
      return fail_io(errno, "switching echo off");
    }
    return mute;
  }
  ~MuteTerminal() {
    if (terminal_ >= 0) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  MuteTerminal(MuteTerminal&& other) noexcept
      : terminal_(std::exchange(other.terminal_, -1)), before_(other.before_) {}
  MuteTerminal& operator=(MuteTerminal&&) = delete;

  [[nodiscard]] bool is_interrupt(std::uint8_t key) const {
    return key != _POSIX_VDISABLE && (key == before_.c_cc[VINTR] || key == before_.c_cc[VQUIT]);
  }

 private:
  MuteTerminal(int terminal, const termios& before) : terminal_(terminal), before_(before) {}
  int terminal_;
  termios before_;
};

Result<std::size_t> read_line(int terminal, MutableByteView line) {
  for (;;) {
    const ssize_t got = ::read(terminal, line.data(), line.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_io(errno, "reading from the terminal");
  }
}

}  // namespace

bool is_terminal(int fd) {
  return ::isatty(fd) == 1;
}

bool has_terminal() {
  const Fd terminal(::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return terminal && ::tcgetpgrp(terminal.get()) == ::getpgrp();
}

std::size_t terminal_width(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

Result<Bytes> read_passphrase(const std::string& prompt, const std::stop_token& stop) {
  const Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, "there is no terminal to ask for the passphrase")
            .with_hint("Give the passphrase with --password-file or --password-command."));
  }
  return read_passphrase_from(terminal.get(), prompt, stop);
}

Result<Bytes> read_passphrase_from(int terminal, const std::string& prompt,
                                   const std::stop_token& stop) {
  std::array<std::uint8_t, kLineMax> line{};
  std::size_t length = 0;
  bool interrupted = false;
  {
    const MuteTerminal mute = TRY(MuteTerminal::start(terminal));
    TRY(write_full(terminal, as_bytes(prompt)));
    const Result<void> ready = wait_readable(terminal, stop);
    if (ready) length = TRY(read_line(terminal, line));
    // Enter was not shown either.
    TRY(write_full(terminal, as_bytes("\n")));
    interrupted = !ready || (length > 0 && mute.is_interrupt(line[length - 1]));
  }
  if (length > 0 && line[length - 1] == '\n') --length;
  Bytes passphrase = to_owned(ByteView(line).first(interrupted ? 0 : length));
  ::explicit_bzero(line.data(), line.size());
  if (interrupted) return fail(ErrorCode::kCancelled, "stopped while asking for the passphrase");
  return passphrase;
}

}  // namespace backstay::io
