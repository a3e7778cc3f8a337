// Configuration files of other programs, as files of ours.
#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/try.h"
#include "cli/config_commands.h"
#include "cli/config_vocabulary.h"
#include "cli/configuration.h"
#include "cli/console.h"
#include "config/file.h"
#include "config/foreign.h"
#include "io/file.h"
#include "io/machine.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct ConfigImportArguments {
  std::string file;
  std::string output;
  bool environment = false;
};

// "NAME=value" lines, as files for containers and shells have them.
std::map<std::string, std::string, std::less<>> variables_of(std::string_view text) {
  std::map<std::string, std::string, std::less<>> variables;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("export ")) line.remove_prefix(7);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == line.npos) continue;
    std::string_view value = line.substr(equals + 1);
    const bool quoted = value.size() >= 2 && value.front() == value.back() &&
                        (value.front() == '"' || value.front() == '\'');
    if (quoted) value = value.substr(1, value.size() - 2);
    if (!value.empty()) variables.emplace(line.substr(0, equals), value);
  }
  return variables;
}

Result<config::Imported> import_from(const Context& context,
                                     const ConfigImportArguments& arguments) {
  if (arguments.environment != arguments.file.empty())
    return fail(ErrorCode::kInvalidArgument, "say either FILE or --environment");
  if (arguments.environment) return config::import_variables(lookup_of(context.environment));
  const ConfigurationText read = TRY(read_configuration_text(arguments.file));
  if (read.path.ends_with(".env")) {
    const auto variables = variables_of(read.text);
    return config::import_variables([&](std::string_view name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::optional<std::string>() : found->second;
    });
  }
  const config::Value top = TRY(config::parse_file(read.text, read.path));
  auto imported = config::import_file(top);
  if (imported) return imported;
  return std::unexpected(std::move(imported).error().with_context(read.path).with_hint(
      "docs/configuration.md says which forms can be imported; one of our own need "
      "not be."));
}

Result<ExitCode> import_config(Context& context, const ConfigImportArguments& arguments) {
  const config::Imported imported = TRY(import_from(context, arguments));
  std::string text = "# Made by 'backstay config import'.\n";
  for (const std::string& note : imported.notes) text += fmt::format("# To look at: {}.\n", note);
  text += config::to_yaml(imported.top);
  // What is written must load.
  TRY_DOING("what came of it cannot be used",
            config::File::load(text, "imported.yaml", configuration_rule(context.program)));
  Console& console = context.console;
  if (!arguments.output.empty()) {
    const std::string path = snapshot::clean_path(arguments.output, TRY(io::current_directory()));
    const ByteView bytes = as_bytes(std::string_view(text));
    TRY_DOING("writing the configuration file",
              io::create_file(path, {&bytes, 1}, io::Durability::kSynced));
  }
  if (console.json()) {
    json::Json line = json::line_of("imported");
    json::put_text(line, "config", text);
    json::put_texts(line, "notes", imported.notes);
    console.print_json(line);
    return ExitCode::kDone;
  }
  for (const std::string& note : imported.notes) console.warning(note);
  if (arguments.output.empty()) console.print(text);
  return ExitCode::kDone;
}

}  // namespace

Command config_import_command() {
  const auto arguments = std::make_shared<ConfigImportArguments>();
  Argument file{.name = "FILE",
                .help = "in YAML or TOML, or NAME=value lines (.env)",
                .arity = Arity::kOptional,
                .set = [arguments](std::string_view path) -> Result<void> {
                  arguments->file = path;
                  return {};
                }};
  return {.name = "import",
          .summary = "Make a configuration file of one of another form",
          .description =
              "Prints what a file of another program comes to here, or writes it to a new file. "
              "Secrets are not copied: the file says where they are looked for. What has no place "
              "in it is named. docs/configuration.md lists the forms.",
          .examples = {{"backstay config import old.toml --output config.yaml", "From a file"},
                       {"backstay config import --environment", "From variables BACKUP_..."}},
          .arguments = {std::move(file)},
          .options = {place("-o,--output", "FILE", arguments->output,
                            "write it there, where no file may be"),
                      flag("--environment", arguments->environment,
                           "from the environment instead of a file")},
          .run = [arguments](Context& context) { return import_config(context, *arguments); }};
}

}  // namespace backstay::cli
