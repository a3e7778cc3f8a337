#include "io/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/try.h"
#include "io/failure.h"
#include "io/readiness.h"

namespace backstay::io {
namespace {

// How long a program has between SIGTERM and SIGKILL.
constexpr int kPatienceMs = 700;
// How long a pipe may be silent whose program has ended.
constexpr std::chrono::milliseconds kSilence{300};

// What a new program is given instead of ours: an empty input, the pipe, and signals that work.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  // An errno, or 0.
  int prepare(int out, int in, const Surroundings& surroundings) {
    sigset_t none;
    sigset_t ignored_by_us;
    ::sigemptyset(&none);
    ::sigemptyset(&ignored_by_us);
    for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaddset(&ignored_by_us, signal);
    int error = in < 0 ? ::posix_spawn_file_actions_addopen(&files_, 0, "/dev/null", O_RDONLY, 0)
                       : ::posix_spawn_file_actions_adddup2(&files_, in, 0);
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&files_, out, 1);
    if (error == 0 && surroundings.errors == StandardError::kWithOutput)
      error = ::posix_spawn_file_actions_adddup2(&files_, out, 2);
    // Onto itself: then it is not closed.
    for (const int kept : surroundings.descriptors) {
      if (error == 0) error = ::posix_spawn_file_actions_adddup2(&files_, kept, kept);
    }
    if (error == 0) error = ::posix_spawnattr_setsigmask(&attributes_, &none);
    if (error == 0) error = ::posix_spawnattr_setsigdefault(&attributes_, &ignored_by_us);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (surroundings.group == ProcessGroup::kOwn) flags |= POSIX_SPAWN_SETPGROUP;
    if (error == 0) error = ::posix_spawnattr_setflags(&attributes_, flags);
    return error;
  }
  [[nodiscard]] const posix_spawn_file_actions_t* files() const { return &files_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

// Names of files and commands are no secrets.
bool is_secret(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  if (!name.starts_with("BACKSTAY_") || name.ends_with("_FILE") || name.ends_with("_COMMAND"))
    return false;
  return name.find("PASSWORD") != name.npos || name.find("PASSPHRASE") != name.npos ||
         name.find("KEY") != name.npos || name.find("SECRET") != name.npos ||
         name.find("TOKEN") != name.npos;
}

// Ours without secrets, with these variables in the place of those of the same name.
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> all;
  for (char** one = ::environ; *one != nullptr; ++one) {
    const std::string_view variable = *one;
    const bool replaced = std::ranges::any_of(variables, [&](const auto& pair) {
      return variable.starts_with(pair.first) &&
             variable.substr(pair.first.size()).starts_with('=');
    });
    if (!replaced && !is_secret(variable)) all.emplace_back(variable);
  }
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Result<int> wait_for(pid_t pid, const std::string& name) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_io(errno, "waiting for " + name);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Readable once the process has ended. The wrapper in glibc 2.36 cannot be linked from C++.
Fd process_descriptor(pid_t pid) {
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool ends_soon(pid_t pid) {
  const Fd process = process_descriptor(pid);
  if (!process) return false;
  pollfd ended{process.get(), POLLIN, 0};
  return ::poll(&ended, 1, kPatienceMs) == 1;
}

// Reads one command line from left to right.
class CommandSplitter {
 public:
  explicit CommandSplitter(std::string_view line) : rest_(line) {}

  Result<std::vector<std::string>> run() {
    while (!rest_.empty()) {
      const char c = take();
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        end_word();
      } else {
        in_word_ = true;
        TRY(add(c));
      }
    }
    end_word();
    if (words_.empty()) return fail(ErrorCode::kInvalidArgument, "the command is empty");
    return std::move(words_);
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  Result<void> add(char c) {
    if (c == '\'' || c == '"') return add_quoted(c);
    if (c != '\\') {
      word_ += c;
    } else if (rest_.empty()) {
      return fail(ErrorCode::kInvalidArgument, "the command ends in a backslash");
    } else {
      word_ += take();
    }
    return {};
  }

  Result<void> add_quoted(char quote) {
    while (!rest_.empty()) {
      char c = take();
      if (c == quote) return {};
      const bool escapes = quote == '"' && c == '\\' && !rest_.empty() &&
                           (rest_.front() == '"' || rest_.front() == '\\');
      if (escapes) c = take();
      word_ += c;
    }
    return fail(ErrorCode::kInvalidArgument, fmt::format("the command lacks a closing {}", quote));
  }

  void end_word() {
    if (in_word_) words_.push_back(std::exchange(word_, {}));
    in_word_ = false;
  }

  std::string_view rest_;
  std::string word_;
  bool in_word_ = false;
  std::vector<std::string> words_;
};

}  // namespace

Result<std::vector<std::string>> split_command(std::string_view line) {
  return CommandSplitter(line).run();
}

// A file without a name: unlike a pipe it takes all there is before anybody reads.
static Result<Fd> file_of(ByteView input, const std::string& name) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) return fail_io(errno, "starting " + name);
  while (!input.empty()) {
    const ssize_t written = ::write(file.get(), input.data(), input.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_io(errno, "starting " + name);
    input = input.subspan(static_cast<std::size_t>(written));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_io(errno, "starting " + name);
  return file;
}

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& argv, ByteView input,
                                         const Surroundings& surroundings) {
  if (argv.empty()) return fail(ErrorCode::kInvalidArgument, "the command is empty");
  const std::string& name = argv.front();
  int ends[2] = {-1, -1};
  if (::pipe2(&ends[0], O_CLOEXEC) != 0) return fail_io(errno, "starting " + name);
  Fd out(ends[0]);
  const Fd in(ends[1]);
  const std::vector<char*> words = pointers_to(argv);
  const std::vector<std::string> environment = environment_with(surroundings.variables);
  const std::vector<char*> variables = pointers_to(environment);
  SpawnSettings settings;
  Fd given;
  if (!input.empty()) given = TRY(file_of(input, name));
  int error = settings.prepare(in.get(), given ? given.get() : -1, surroundings);
  pid_t pid = -1;
  if (error == 0) {
    error = ::posix_spawnp(&pid, name.c_str(), settings.files(), settings.attributes(),
                           words.data(), variables.data());
  }
  if (error != 0) return fail_io(error, "starting " + name);
  return ChildProcess(pid, surroundings.group, std::move(out), name);
}

ChildProcess::~ChildProcess() {
  end();
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      group_(other.group_),
      out_(std::move(other.out_)),
      name_(std::move(other.name_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    group_ = other.group_;
    out_ = std::move(other.out_);
    name_ = std::move(other.name_);
  }
  return *this;
}

Result<std::size_t> ChildProcess::read_stdout(MutableByteView out, const std::stop_token& stop) {
  if (!out_ || out.empty()) return std::size_t{0};
  if (stop.stop_possible()) TRY_DOING("reading from " + name_, wait_readable(out_.get(), stop));
  for (;;) {
    const ssize_t got = ::read(out_.get(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_io(errno, "reading from " + name_);
  }
}

Result<std::size_t> ChildProcess::read_answer(MutableByteView out, const std::stop_token& stop,
                                              Moment until) {
  if (!out_ || out.empty()) return std::size_t{0};
  // Where the kernel has no such descriptors, the end of the pipe is the end.
  const Fd process = process_descriptor(pid_);
  bool ended = !process;
  Moment patience = until;
  for (;;) {
    const ReadyDescriptor ready =
        TRY_DOING("reading from " + name_,
                  wait_readable_of(out_.get(), ended ? -1 : process.get(), stop, patience));
    if (ready == ReadyDescriptor::kFirst) return read_stdout(out);
    if (ready == ReadyDescriptor::kNone && process && ended) return std::size_t{0};
    if (ready == ReadyDescriptor::kNone)
      return fail(ErrorCode::kUnavailable, name_ + " gives no answer in time");
    ended = true;
    patience = std::min(until, std::chrono::steady_clock::now() + kSilence);
  }
}

Result<int> ChildProcess::wait(const std::stop_token& stop, Moment until) {
  if (pid_ < 0) return fail(ErrorCode::kInvalidArgument, name_ + " was waited for before");
  out_.reset();
  if (stop.stop_possible() || until != Moment::max()) {
    // Where the kernel has no such descriptors, waiting cannot be interrupted.
    const Fd process = process_descriptor(pid_);
    if (process &&
        TRY_DOING("waiting for " + name_, wait_readable_of(process.get(), -1, stop, until)) ==
            ReadyDescriptor::kNone)
      return fail(ErrorCode::kUnavailable, name_ + " does not end in time");
  }
  return wait_for(std::exchange(pid_, -1), name_);
}

// A group goes on when its leader has ended, and keeps its number until he was waited for.
void ChildProcess::end() {
  if (pid_ < 0) return;
  out_.reset();
  const pid_t all = group_ == ProcessGroup::kOwn ? -pid_ : pid_;
  ::kill(all, SIGTERM);
  if (!ends_soon(pid_) || group_ == ProcessGroup::kOwn) ::kill(all, SIGKILL);
  // Nobody is left to be told of a failure.
  static_cast<void>(wait_for(std::exchange(pid_, -1), name_).has_value());
}

}  // namespace backstay::io
