// Other programs, started without a shell: for --password-command and --stdin-from-command.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

// Cuts a command line into arguments: blanks separate, '...' is taken as it stands, "..." too
// except that \" and \\ stand for the second character, and outside of quotes \ takes the next
// character as it is. Nothing is expanded. invalid_argument for an unclosed quote and for a line
// without a word.
Result<std::vector<std::string>> split_command(std::string_view line);

// Which processes a program is ended with.
enum class ProcessGroup : std::uint8_t {
  kOurs,  // it alone; the terminal reaches it as it reaches us
  kOwn    // what it has started is ended with it; it cannot ask on our terminal
};

// Where its standard error goes.
enum class StandardError : std::uint8_t {
  kOurs,
  kWithOutput  // into the pipe of its standard output, in the order in which it writes
};

// What a program is given besides what every one gets: our environment without the passphrases and
// keys in it (BACKSTAY_*PASSWORD*, *KEY*, *TOKEN*; names of files and commands stay).
struct Surroundings {
  // Set in its environment alone; what others may not see stays out of the arguments.
  std::vector<std::pair<std::string, std::string>> variables;
  std::vector<int> descriptors;  // open there too, under the same numbers
  ProcessGroup group = ProcessGroup::kOurs;
  StandardError errors = StandardError::kOurs;
};

// A running program and the read end of its standard output. Its standard input is what it is given
// or empty, so that it cannot eat ours; standard error is ours. Signals are as a program expects
// them, whatever this one blocks.
class ChildProcess {
 public:
  // Looks for argv[0] in PATH. not_found and permission_denied name the program.
  // `input` is all that its standard input has; it is kept in memory and may be secret.
  static Result<ChildProcess> start(const std::vector<std::string>& argv, ByteView input = {},
                                    const Surroundings& surroundings = {});
  // Ends the program (SIGTERM, and SIGKILL when that does not help soon) unless wait() was called.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  // At least one byte; 0 at the end. cancelled when `stop` is requested while waiting.
  Result<std::size_t> read_stdout(MutableByteView out, const std::stop_token& stop = {});
  // The same of a program that says one thing: 0 also when it has ended and the pipe, which
  // somebody whom it started may hold open, is silent. unavailable when `until` passes.
  using Moment = std::chrono::steady_clock::time_point;
  Result<std::size_t> read_answer(MutableByteView out, const std::stop_token& stop, Moment until);
  // Closes the pipe and waits for the end. The exit code, or 128 and the number of the signal that
  // ended it, as shells say it. cancelled when `stop` is requested before that; the program goes on
  // then and may be waited for again.
  // unavailable when `until` passes.
  Result<int> wait(const std::stop_token& stop = {}, Moment until = Moment::max());

 private:
  ChildProcess(pid_t pid, ProcessGroup group, Fd out, std::string name)
      : pid_(pid), group_(group), out_(std::move(out)), name_(std::move(name)) {}
  void end();

  pid_t pid_ = -1;  // -1 when there is nothing to wait for
  ProcessGroup group_ = ProcessGroup::kOurs;
  Fd out_;
  std::string name_;
};

}  // namespace backstay::io
