#include <fmt/format.h>

#include <memory>

#include "backend/probe.h"
#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/session.h"
#include "cli/store_lock.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

void print_json(Console& console, const std::string& where, const backend::ProbeReport& found) {
  json::Json line = json::line_of("probe");
  json::put_text(line, "location", where);
  line["creates_once"] = found.creates_once;
  line["keeps_first"] = found.keeps_first;
  line["reads_ranges"] = found.reads_ranges;
  line["lists_at_once"] = found.lists_at_once;
  line["clock_ahead_seconds"] = nullptr;
  if (found.clock_ahead_seconds) line["clock_ahead_seconds"] = *found.clock_ahead_seconds;
  line["object_lock"] = lock_keeper(found.says);
  line["append_only"] = found.says.append_only;
  line["object_bytes_max"] = found.says.object_bytes_max;
  console.print_json(line);
}

void print_text(Console& console, const std::string& where, const backend::ProbeReport& found) {
  const auto answer = [](bool good) { return good ? "yes" : "NO"; };
  console.print(fmt::format("{}\n", where));
  console.print(fmt::format("creates once:    {}, in a race over two connections\n",
                            answer(found.creates_once)));
  console.print(fmt::format("keeps the first: {}\n", answer(found.keeps_first)));
  console.print(fmt::format("reads ranges:    {}\n", answer(found.reads_ranges)));
  console.print(fmt::format("lists at once:   {}\n", answer(found.lists_at_once)));
  console.print(found.clock_ahead_seconds
                    ? fmt::format("clock:           {:+} s\n", *found.clock_ahead_seconds)
                    : "clock:           it does not tell the time\n");
  console.print(fmt::format("object lock:     {}\n", lock_keeper(found.says)));
  console.print(fmt::format("append-only:     {}\n", found.says.append_only ? "yes" : "no"));
  if (found.says.object_bytes_max > 0) {
    console.print(
        fmt::format("largest object:  {}\n", format_byte_size(found.says.object_bytes_max)));
  }
}

Result<ExitCode> run_probe(Context& context, const std::string& url) {
  GlobalOptions options = context.options;
  if (!url.empty()) options.repository = url;
  const Context there{context.program, options,     context.environment, context.console,
                      context.clock,   context.rng, context.stop};
  const auto one = TRY(open_bare_store(there));
  const auto other = TRY(open_bare_store(there));
  const std::string where = one->describe();
  const backend::ProbeReport found =
      TRY_DOING("finding out what " + where + " can do",
                backend::probe(*one, *other, context.clock, context.rng));
  if (context.console.json()) {
    print_json(context.console, where, found);
  } else {
    print_text(context.console, where, found);
  }
  if (!found.creates_once || !found.keeps_first) {
    context.console.warning(
        "where creating is not safe from others who create, let only one machine at a time prune, "
        "rotate keys or change parity");
  }
  if (!found.lists_at_once) {
    context.console.warning("lists that are late can hide what was just stored: do not prune here");
  }
  return ExitCode::kDone;
}

}  // namespace

Command repo_command() {
  Command command{.name = "repo",
                  .summary = "Find out what a store can do",
                  .description = "What the place of a repository is able to keep to."};
  const auto url = std::make_shared<std::string>();
  Argument place{.name = "URL",
                 .help = "the place; --repo where none is given",
                 .arity = Arity::kOptional,
                 .set = [url](std::string_view text) -> Result<void> {
                   *url = text;
                   return {};
                 }};
  command.commands.push_back(
      {.name = "probe",
       .summary = "Try a store out; needs no passphrase, and no repository there",
       .description =
           "Creates some small objects below leases/, several at the same moment over two "
           "connections, reads parts of them, lists them and removes them again. Nothing is "
           "remembered of it: a store may change, so what matters is asked anew before it is "
           "relied on.",
       .examples = {{"backstay repo probe 's3://bucket/home?endpoint=https://store.example'",
                     "Whether the store suits several machines"}},
       .arguments = {place},
       .run = [url](Context& context) { return run_probe(context, *url); }});
  return command;
}

}  // namespace backstay::cli
