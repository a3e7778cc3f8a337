#include "cli/check_command.h"

#include <fmt/format.h>

#include <array>

#include "base/try.h"
#include "cli/console.h"
#include "cli/text_layout.h"
#include "io/process.h"

namespace backstay::cli {

Result<void> require_words(const std::string& line) {
  if (line.empty()) return {};
  TRY_DOING("reading --check-command", io::split_command(line));
  return {};
}

Result<std::int64_t> run_check_command(const Context& context, const CheckCommand& command) {
  const std::vector<std::string> words = TRY(io::split_command(command.line));
  io::Surroundings surroundings;
  surroundings.variables = {{"BACKSTAY_RESTORE_TARGET", command.target},
                            {"BACKSTAY_RESTORE_SNAPSHOT", command.snapshot.hex()},
                            {"BACKSTAY_RESTORE_ID", command.restore_id}};
  io::ChildProcess child = TRY_DOING("starting the command of --check-command",
                                     io::ChildProcess::start(words, {}, surroundings));
  const std::stop_token stop = context.stop.get_token();
  std::array<std::uint8_t, 4096> buffer{};
  std::string line;
  while (const std::size_t got = TRY(child.read_stdout(buffer, stop))) {
    for (const char c : as_text(ByteView(buffer).first(got))) {
      if (c != '\n') line.push_back(c);
      if (c != '\n' && line.size() < buffer.size()) continue;
      context.console.note(printable(line));
      line.clear();
    }
  }
  if (!line.empty()) context.console.note(printable(line));
  return TRY(child.wait(stop));
}

}  // namespace backstay::cli
