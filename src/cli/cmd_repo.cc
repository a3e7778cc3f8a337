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

std::string_view word_of(backend::Answer answer) {
  if (answer == backend::Answer::kUnknown) return "unknown";
  return answer == backend::Answer::kYes ? "yes" : "no";
}

void print_json(Console& console, const std::string& where, const backend::ProbeReport& found) {
  json::Json line = json::line_of("probe");
  json::put_text(line, "location", where);
  line["creates_once"] = found.creates_once;
  line["keeps_first"] = found.keeps_first;
  line["reads_ranges"] = found.reads_ranges;
  line["reads_at_once"] = found.reads_at_once;
  line["lists_at_once"] = found.lists_at_once;
  line["compare_and_swap"] = word_of(found.swaps);
  line["versions"] = word_of(found.versions);
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
  const auto print = [&](std::string_view what, std::string_view said) {
    console.print(fmt::format("{:<17} {}\n", what, said));
  };
  print("creates once:",
        fmt::format("{}, in a race over two connections", answer(found.creates_once)));
  print("keeps the first:", answer(found.keeps_first));
  print("reads ranges:", answer(found.reads_ranges));
  print("reads at once:", answer(found.reads_at_once));
  print("lists at once:", answer(found.lists_at_once));
  print("compare-and-swap:", word_of(found.swaps));
  print("keeps versions:", word_of(found.versions));
  print("clock:", found.clock_ahead_seconds ? fmt::format("{:+} s", *found.clock_ahead_seconds)
                                            : "it does not tell the time");
  print("object lock:", lock_keeper(found.says));
  print("append-only:", found.says.append_only ? "yes" : "no");
  const std::uint64_t largest = found.says.object_bytes_max;
  print("largest object:", largest > 0 ? format_byte_size(largest) : "unknown");
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
           "connections, replaces some of them so, reads parts of them, lists them and removes "
           "them again. Nothing is "
           "remembered of it: a store may change, so what matters is asked anew before it is "
           "relied on.",
       .examples = {{"backstay repo probe 's3://bucket/home?endpoint=https://store.example'",
                     "Whether the store suits several machines"}},
       .arguments = {place},
       .run = [url](Context& context) { return run_probe(context, *url); }});
  return command;
}

}  // namespace backstay::cli
