#include "cli/job_hook.h"

#include <fmt/format.h>

#include <array>

#include "base/try.h"
#include "cli/console.h"
#include "cli/duration.h"
#include "config/file.h"
#include "io/process.h"

namespace backstay::cli {
namespace {

constexpr std::size_t kHookOutputKept = 4096;
// A line that does not end is shown in pieces.
constexpr std::size_t kHookLineMax = 4096;

// Shows whole lines as they come, and keeps the end of all.
class HookOutput {
 public:
  HookOutput(Console& console, const std::string& name) : console_(console), name_(name) {}

  void add(std::string_view text) {
    kept_ += text;
    if (kept_.size() > kHookOutputKept) kept_.erase(0, kept_.size() - kHookOutputKept);
    for (const char c : text) {
      if (c != '\n') line_ += c;
      if (c == '\n' || line_.size() >= kHookLineMax) show();
    }
  }
  std::string finish() {
    if (!line_.empty()) show();
    return std::move(kept_);
  }

 private:
  void show() {
    console_.note(fmt::format("{}: {}", name_, line_));
    line_.clear();
  }

  Console& console_;
  const std::string& name_;
  std::string line_;
  std::string kept_;
};

// Everything up to its end.
Result<int> follow(io::ChildProcess& child, HookOutput& output, const std::stop_token& stop,
                   io::ChildProcess::Moment until) {
  std::array<std::uint8_t, 4096> piece{};
  for (;;) {
    const std::size_t got = TRY(child.read_answer(piece, stop, until));
    if (got == 0) break;
    output.add(as_text(ByteView(piece).first(got)));
  }
  return child.wait(stop, until);
}

Result<void> run_to_its_end(Context& context, const Hook& hook, const Variables& variables,
                            HookOutput& output) {
  const auto until = std::chrono::steady_clock::now() + hook.timeout;
  // What has to be put right again is, also after an interrupt.
  const bool interrupted = context.stop.stop_requested();
  const std::stop_token stop = interrupted ? std::stop_token() : context.stop.get_token();
  io::ChildProcess child = TRY(io::ChildProcess::start(hook.argv, {},
                                                       {.variables = variables,
                                                        .descriptors = {},
                                                        .group = io::ProcessGroup::kOwn,
                                                        .errors = io::StandardError::kWithOutput}));
  const Result<int> status = follow(child, output, stop, until);
  if (!status && status.error().code() == ErrorCode::kUnavailable) {
    return std::unexpected(
        Error(ErrorCode::kInternal,
              fmt::format("{} did not end within {} s", hook.argv[0], hook.timeout.count()))
            .with_hint("It was ended, with all that it started. 'timeout' gives it more time."));
  }
  if (!status) return std::unexpected(status.error().clone());
  if (*status == 0) return {};
  return fail(ErrorCode::kInternal, fmt::format("{} ended with status {}", hook.argv[0], *status));
}

}  // namespace

Result<std::optional<Hook>> read_hook(const config::Value* value) {
  using Kind = config::Value::Kind;
  if (value == nullptr) return std::optional<Hook>();
  Hook hook;
  const config::Value* command = value;
  if (value->kind == Kind::kMap) {
    command = value->find("command");
    if (command == nullptr) return fail(ErrorCode::kInvalidArgument, "a hook has no command");
    if (const config::Value* const timeout = value->find("timeout"))
      hook.timeout = TRY(parse_duration(timeout->text));
  }
  if (command->kind == Kind::kText)
    hook.argv = {"/bin/sh", "-c", command->text};
  else
    for (const config::Value* const word : config::texts_of(*command))
      hook.argv.push_back(word->text);
  if (hook.argv.empty()) return fail(ErrorCode::kInvalidArgument, "the command is empty");
  return std::optional<Hook>(std::move(hook));
}

HookEnd run_hook(Context& context, const Hook& hook, const std::string& name,
                 const Variables& variables) {
  HookOutput output(context.console, name);
  Result<void> ended = run_to_its_end(context, hook, variables, output);
  HookEnd end{.output = output.finish(), .error = std::nullopt};
  if (!ended) end.error = std::move(ended).error();
  return end;
}

}  // namespace backstay::cli
