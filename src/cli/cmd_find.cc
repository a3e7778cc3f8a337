#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/find_output.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/find.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

using snapshot::EntryType;

struct FindArguments {
  std::vector<std::string> patterns;
  std::vector<std::string> snapshots;
  bool regex = false;
  bool ignore_case = false;
  std::set<EntryType> types;
  std::optional<std::uint64_t> size_min;
  std::optional<std::uint64_t> size_max;
  std::string oldest;
  std::string newest;
  SnapshotChoice choice;
};

Result<engine::FindQuery> query_of(const FindArguments& arguments, Timestamp now) {
  const auto sensitivity =
      arguments.ignore_case ? snapshot::Case::kInsensitive : snapshot::Case::kSensitive;
  engine::FindQuery query;
  for (const std::string& pattern : arguments.patterns) {
    if (arguments.regex)
      query.expressions.push_back(TRY(engine::PathExpression::make(pattern, sensitivity)));
    else
      TRY(query.patterns.add(pattern, sensitivity));
  }
  query.types = arguments.types;
  query.size_min = arguments.size_min;
  query.size_max = arguments.size_max;
  if (!arguments.oldest.empty())
    query.modified_from = TRY_DOING("--oldest", parse_time(arguments.oldest, now));
  if (!arguments.newest.empty())
    query.modified_to = TRY_DOING("--newest", parse_time(arguments.newest, now));
  const bool asks = !arguments.patterns.empty() || !query.types.empty() || query.size_min ||
                    query.size_max || query.modified_from || query.modified_to;
  if (asks) return query;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, "nothing is said of what to find")
          .with_hint("Give a PATTERN, --type, a size or a time; 'backstay ls' lists everything."));
}

// Oldest first; and whether all that were meant are among them.
struct Searched {
  std::vector<repo::StoredSnapshot> snapshots;
  bool certain = true;
};

Result<Searched> snapshots_to_search(Context& context, repo::Repository& repository,
                                     const FindArguments& arguments) {
  if (arguments.snapshots.empty()) {
    SnapshotList list = TRY(list_snapshots(context, repository));
    return Searched{chosen(std::move(list.snapshots), arguments.choice), list.damaged.empty()};
  }
  NamedSnapshots named = TRY(find_named(context, repository, arguments.choice, arguments.snapshots,
                                        DamagedByName::kRefuse));
  repo::sort_oldest_first(named.whole);
  return Searched{std::move(named.whole), true};
}

Result<ExitCode> find_in_place(Context& context, const FindArguments& arguments) {
  const engine::FindQuery query = TRY(query_of(arguments, context.clock.now()));
  const auto repository = TRY(open_repository(context));
  const Searched searched = TRY(snapshots_to_search(context, *repository, arguments));
  TRY(load_index(context, *repository));
  Running running(context);
  const auto found =
      TRY(engine::find_entries(*repository, searched.snapshots, query, running.activity()));
  running.finish();
  Console& console = context.console;
  if (!console.json() && found.empty()) {
    console.note(
        fmt::format("nothing found in {}", counted(searched.snapshots.size(), "snapshot")));
  }
  for (const engine::FoundEntry& one : found) {
    if (console.json())
      console.print_json(found_line(one, searched.snapshots));
    else
      console.print(found_text(one, searched.snapshots, console.streams().out_is_terminal));
  }
  return running.reported() > 0 || !searched.certain ? ExitCode::kDamage : ExitCode::kDone;
}

Result<ExitCode> run_find(Context& context, const FindArguments& arguments) {
  return read_from_places(context, [&](Context& place) { return find_in_place(place, arguments); });
}

Option type_option(std::set<EntryType>& target) {
  static constexpr std::array<std::pair<std::string_view, EntryType>, 10> kTypes{
      {{"f", EntryType::kFile},
       {"file", EntryType::kFile},
       {"d", EntryType::kDirectory},
       {"directory", EntryType::kDirectory},
       {"l", EntryType::kSymlink},
       {"symlink", EntryType::kSymlink},
       {"fifo", EntryType::kFifo},
       {"socket", EntryType::kSocket},
       {"char_device", EntryType::kCharDevice},
       {"block_device", EntryType::kBlockDevice}}};
  Option option{.names = "--type",
                .value = "TYPE",
                .help = "only entries of this type (repeated: of any): f, d and l for short",
                .set = {}};
  for (const auto& [name, type] : kTypes) option.choices.emplace_back(name);
  option.set = [&target, choices = option.choices](std::string_view given) -> Result<void> {
    for (const auto& [name, type] : kTypes) {
      if (name != given) continue;
      target.insert(type);
      return {};
    }
    return std::unexpected(not_a_choice(given, choices));
  };
  return option;
}

Option size_bound(std::string names, std::optional<std::uint64_t>& target, std::string help) {
  return {.names = std::move(names),
          .value = "SIZE",
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target = TRY(parse_byte_size(given));
            return {};
          }};
}

}  // namespace

Command find_command() {
  const auto arguments = std::make_shared<FindArguments>();
  std::vector<Option> options{
      texts("-s,--snapshot", "SNAP", arguments->snapshots,
            "only in this snapshot (repeated: in any); without, in all"),
      flag("--regex", arguments->regex,
           "PATTERN is a regular expression, found anywhere in a path"),
      flag("-i,--ignore-case", arguments->ignore_case, "ASCII letters match in either case"),
      type_option(arguments->types),
      size_bound("--larger", arguments->size_min, "only files of at least this size"),
      size_bound("--smaller", arguments->size_max, "only files of at most this size"),
      text("-O,--oldest", "TIME", arguments->oldest, "only what was modified then or later"),
      text("-N,--newest", "TIME", arguments->newest, "only what was modified then or earlier")};
  append_choice_options(options, arguments->choice);
  SetValue add_pattern = [arguments](std::string_view pattern) -> Result<void> {
    arguments->patterns.emplace_back(pattern);
    return {};
  };
  return {
      .name = "find",
      .summary = "Find files in all snapshots",
      .description =
          "Every file, folder or other entry whose path fits any PATTERN, and all that the "
          "options ask for. Patterns are those of --exclude: '*.conf' fits a name, 'www/*.html' "
          "the end of a path, '/etc/**/*.d' a whole path.\n\n"
          "An entry that is the same in many snapshots is told once: first the newest snapshot "
          "that has it, then in how many it is. What snapshots share is searched once, so that "
          "a thousand of them take little longer than one.",
      .examples = {{"backstay find '*.pst' --larger 1GiB", "Large mailboxes, in any snapshot"},
                   {"backstay find --regex '/invoice-20(24|25)' -s latest",
                    "By a regular expression, in one snapshot"},
                   {"backstay find --type f --oldest '2h ago' -s latest",
                    "What changed in the last two hours before now"}},
      .arguments = {{.name = "PATTERN",
                     .help = "what paths look like",
                     .arity = Arity::kAny,
                     .set = add_pattern}},
      .options = std::move(options),
      .run = [arguments](Context& context) { return run_find(context, *arguments); }};
}

}  // namespace backstay::cli
