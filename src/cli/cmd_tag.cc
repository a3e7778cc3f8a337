#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/notes.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct TagArguments {
  std::vector<std::string> snapshots;
  SnapshotChoice choice;
  std::vector<std::string> add;
  std::vector<std::string> remove;
  std::vector<std::string> set;
};

std::vector<std::string> sorted_tags(const std::vector<std::string>& lists) {
  std::vector<std::string> tags = split_tags(lists);
  std::ranges::sort(tags);
  const auto rest = std::ranges::unique(tags);
  tags.erase(rest.begin(), rest.end());
  return tags;
}

Result<repo::TagChange> change_of(const Context& context, const TagArguments& arguments) {
  repo::TagChange change;
  change.replaces = !arguments.set.empty();
  change.removed = sorted_tags(arguments.remove);
  change.added = sorted_tags(change.replaces ? arguments.set : arguments.add);
  change.author = {.time = context.clock.now(), .host = io::hostname(), .user = io::user_name()};
  if (change.replaces && !(arguments.add.empty() && arguments.remove.empty()))
    return fail(ErrorCode::kInvalidArgument, "--set goes with neither --add nor --remove");
  if (!change.replaces && change.added.empty() && change.removed.empty()) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "no tags are given")
                               .with_hint("Give --add, --remove or --set; --set '' takes all "
                                          "tags away."));
  }
  return change;
}

Result<std::vector<repo::StoredSnapshot>> meant(const Context& context,
                                                repo::Repository& repository,
                                                const TagArguments& arguments) {
  if (!arguments.snapshots.empty()) {
    return TRY(find_named(context, repository, arguments.choice, arguments.snapshots,
                          DamagedByName::kRefuse))
        .whole;
  }
  const SnapshotChoice& choice = arguments.choice;
  if (choice.host.empty() && choice.tags.empty() && choice.paths.empty()) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "no snapshots are named")
            .with_hint("Name them, or choose them with --host, --tag or --path."));
  }
  return chosen(TRY(list_snapshots(context, repository)).snapshots, choice);
}

Result<ExitCode> run_tag(Context& context, const TagArguments& arguments) {
  const repo::TagChange change = TRY(change_of(context, arguments));
  const auto repository = TRY(open_repository(context));
  const auto snapshots = TRY(meant(context, *repository, arguments));
  const auto changed =
      TRY(engine::change_tags(*repository, snapshots, change, fence_wait(context)));
  for (const repo::StoredSnapshot& stored : changed) {
    if (!context.console.json()) {
      const std::vector<std::string>& tags = stored.snapshot.tags;
      context.console.print(fmt::format("{} {}\n", stored.id.short_hex(),
                                        tags.empty() ? "has no tags" : comma_list(tags)));
      continue;
    }
    json::Json line = json::line_of("tagged");
    line["id"] = stored.id.hex();
    line["short_id"] = stored.id.short_hex();
    json::put_texts(line, "tags", stored.snapshot.tags);
    context.console.print_json(line);
  }
  if (changed.empty()) context.console.note("nothing changed");
  return ExitCode::kDone;
}

}  // namespace

Command tag_command() {
  const auto arguments = std::make_shared<TagArguments>();
  std::vector<Option> options{
      texts("--add", "TAG", arguments->add, "add this tag (a,b or repeated: several)"),
      texts("--remove", "TAG", arguments->remove, "take this tag away (the same)"),
      texts("--set", "TAG", arguments->set, "have these tags and no others ('': none)")};
  append_choice_options(options, arguments->choice);
  return {.name = "tag",
          .summary = "Change the tags of snapshots",
          .description =
              "Adds, removes or replaces tags of the named snapshots, or, without names, of all "
              "that --host, --tag and --path choose. Snapshots keep their ids.",
          .examples = {{"backstay tag latest --add release", "Add a tag"},
                       {"backstay tag --tag nightly --set daily", "Give others to several"}},
          .arguments = {snapshots_argument(arguments->snapshots, Arity::kAny)},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_tag(context, *arguments); }};
}

}  // namespace backstay::cli
