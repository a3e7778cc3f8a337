#include "cli/commands.h"
#include "cli/config_commands.h"
#include "cli/config_vocabulary.h"
#include "cli/console.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

Result<ExitCode> print_schema(Context& context) {
  json::Json schema;
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "backstay configuration";
  schema.update(config::schema_of(configuration_rule(context.program)));
  if (context.console.json()) {
    json::Json line = json::line_of("schema");
    line["schema"] = std::move(schema);
    context.console.print_json(line);
  } else {
    context.console.print(schema.dump(1) + "\n");
  }
  return ExitCode::kDone;
}

}  // namespace

Command config_command() {
  Command command{
      .name = "config",
      .summary = "Check, show and make configuration files",
      .description =
          "A configuration file, in YAML or TOML, names repositories and says in profiles and jobs "
          "what options would say otherwise. It is --config, or the first of "
          "$XDG_CONFIG_HOME/backstay/config.yaml and /etc/backstay/config.yaml that is there. What "
          "the command line says wins over the environment, and that over the profile. "
          "docs/configuration.md describes it."};
  command.commands.push_back(config_check_command());
  command.commands.push_back(config_show_command());
  command.commands.push_back(config_init_command());
  command.commands.push_back(config_import_command());
  command.commands.push_back(
      {.name = "schema",
       .summary = "Print the JSON Schema of configuration files",
       .description = "For editors and for programs that make such files. It is the same as "
                      "docs/config.schema.json.",
       .examples = {{"backstay config schema > config.schema.json", "For an editor"}},
       .run = print_schema});
  return command;
}

}  // namespace backstay::cli
