#include <fmt/format.h>

#include <thread>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/table.h"
#include "cli/version.h"
#include "crypto/aead.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

Result<ExitCode> run_version(Context& context) {
  Console& console = context.console;
  if (!console.json()) {
    std::vector<Fact> facts;
    for (const auto& [name, version] : library_versions()) facts.push_back({"  " + name, version});
    console.print(fmt::format("backstay {}\n", kProgramVersion) + render_facts(facts));
    return ExitCode::kDone;
  }
  json::Json line = json::line_of("version");
  line["version"] = kProgramVersion;
  line["format"] = kFormatVersion;
  for (const auto& [name, version] : library_versions()) line["libraries"][name] = version;
  console.print_json(line);
  return ExitCode::kDone;
}

}  // namespace

Command version_command() {
  return {.name = "version",
          .summary = "Show the version of the program and its libraries",
          .description = {},
          .run = run_version};
}

}  // namespace backstay::cli
