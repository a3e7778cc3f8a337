#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/console.h"
#include "cli/store_commands.h"
#include "cli/table.h"
#include "json/json.h"
#include "store/tokens.h"

namespace backstay::cli {
namespace {

struct TokenArguments {
  std::string file = "/etc/backstay/tokens";
  std::string name;
  std::string rights = "read,create";
  std::vector<std::string> paths;
};
using Given = std::shared_ptr<TokenArguments>;

Result<ExitCode> add(Context& context, const TokenArguments& arguments) {
  if (arguments.paths.empty()) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "for which repositories?")
                               .with_hint("Give --path NAME, more than once for several, or "
                                          "--path 'team/*', or --path '*' for all."));
  }
  const store::NewToken made = TRY(store::add_token(arguments.file, arguments.name,
                                                    TRY(store::parse_rights(arguments.rights)),
                                                    arguments.paths, context.rng));
  if (context.console.json()) {
    json::Json line = json::line_of("token_made");
    line["name"] = made.token.name;
    line["token"] = made.secret;
    context.console.print_json(line);
    return ExitCode::kDone;
  }
  context.console.print(made.secret + "\n");
  context.console.note("this is shown once; the client takes it from BACKSTAY_STORE_TOKEN_FILE");
  return ExitCode::kDone;
}

Result<ExitCode> list(Context& context, const TokenArguments& arguments) {
  Table table({{"Name"}, {"Rights"}, {"Repositories"}});
  for (const store::Token& token : TRY(store::read_tokens(arguments.file))) {
    std::string paths;
    for (const std::string& path : token.paths) paths += (paths.empty() ? "" : ",") + path;
    if (context.console.json()) {
      json::Json line = json::line_of("token");
      line["name"] = token.name;
      line["rights"] = store::write_rights(token.rights);
      line["paths"] = token.paths;
      context.console.print_json(line);
    } else {
      table.add({token.name, store::write_rights(token.rights), paths});
    }
  }
  if (!context.console.json()) context.console.print(table.render());
  return ExitCode::kDone;
}

Result<ExitCode> remove(Context& context, const TokenArguments& arguments) {
  TRY(store::remove_token(arguments.file, arguments.name));
  if (context.console.json()) {
    json::Json line = json::line_of("token_removed");
    line["name"] = arguments.name;
    context.console.print_json(line);
  } else {
    context.console.print(fmt::format("removed {}; it is refused from now on\n", arguments.name));
  }
  return ExitCode::kDone;
}

Argument name_argument(const Given& to) {
  return {.name = "NAME",
          .help = "what the token is called",
          .set = [to](std::string_view text) -> Result<void> {
            to->name = text;
            return {};
          }};
}

}  // namespace

Command store_token_command() {
  const auto to = std::make_shared<TokenArguments>();
  const auto file = [&] {
    return text("--tokens", "FILE", to->file, "the file of tokens (/etc/backstay/tokens)");
  };
  Command command{.name = "token",
                  .summary = "Say who may do what on a store server",
                  .description = "A server that runs takes changes at once."};
  command.commands.push_back(
      {.name = "add",
       .summary = "Make a token and print it once",
       .description = "The file keeps its hash. A machine that backs up needs read and create, "
                      "with a write-only key as well; who forgets and prunes needs delete, too.",
       .examples = {{"backstay store token add web1 --path web1", "For one machine's repository"}},
       .arguments = {name_argument(to)},
       .options = {file(),
                   text("--rights", "RIGHTS", to->rights,
                        "read, create, delete, with commas between (read,create)"),
                   texts("--path", "NAME", to->paths,
                         "a repository, 'team/*' for all below, '*' for all; may be repeated")},
       .run = [to](Context& context) { return add(context, *to); }});
  command.commands.push_back({.name = "list",
                              .summary = "List tokens",
                              .description = {},
                              .options = {file()},
                              .run = [to](Context& context) { return list(context, *to); }});
  command.commands.push_back({.name = "remove",
                              .summary = "Take a token away",
                              .description = {},
                              .arguments = {name_argument(to)},
                              .options = {file()},
                              .run = [to](Context& context) { return remove(context, *to); }});
  return command;
}

}  // namespace backstay::cli
