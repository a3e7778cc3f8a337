#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/text_layout.h"
#include "engine/select.h"
#include "json/json.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct LsArguments {
  std::string snapshot;
  std::string path;
  bool details = false;
  bool recursive = false;
  SnapshotChoice choice;
};

class Listing {
 public:
  Listing(Context& context, const LsArguments& arguments, repo::Repository& repository,
          const snapshot::Snapshot& snapshot)
      : context_(context), arguments_(arguments), repository_(repository), snapshot_(snapshot) {}

  // Everything below the folder `key`.
  Result<void> print_tree(const std::string& key) {
    snapshot::TreeCursor cursor(repository_, snapshot_.tree);
    TRY(cursor.seek(key));
    while (auto item = TRY(cursor.next())) {
      if (!snapshot::is_within(item->key, key)) return {};
      if (item->key != key) TRY(print(*item));
    }
    return {};
  }

  Result<void> print_folder(const std::string& key) {
    return snapshot::list_folder(repository_, snapshot_.tree, key,
                                 [&](const snapshot::TreeItem& item) { return print(item); });
  }

  Result<void> print(const snapshot::TreeItem& item) {
    if (context_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const std::string path = snapshot::path_from_key(item.key);
    Console& console = context_.console;
    const bool terminal = console.streams().out_is_terminal;
    if (console.json()) {
      console.print_json(entry_line(path, item.entry, snapshot_));
    } else if (arguments_.details) {
      console.print(entry_text(path, item.entry, snapshot_, terminal));
    } else {
      console.print((terminal ? printable(path) : path) + "\n");
    }
    return {};
  }

 private:
  Context& context_;
  const LsArguments& arguments_;
  repo::Repository& repository_;
  const snapshot::Snapshot& snapshot_;
};

Result<ExitCode> list_from_place(Context& context, const LsArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  const engine::SnapshotArgument argument = engine::parse_snapshot_argument(arguments.snapshot);
  const FoundSnapshot found =
      TRY(find_snapshot(context, *repository, arguments.choice, argument.which));
  const repo::StoredSnapshot& stored = found.stored;
  TRY(load_index(context, *repository));
  if (const auto& repaired = stored.snapshot.repaired) {
    context.console.note(fmt::format(
        "snapshot {} was repaired: {} of {} are not in it because they were lost{}",
        stored.id.short_hex(), counted(repaired->files_lost, "file"), repaired->from.short_hex(),
        repaired->stretches_lost > 0 ? ", and others of which nothing is known" : ""));
  }
  Listing listing(context, arguments, *repository, stored.snapshot);
  const bool everything = arguments.path.empty() && argument.subpath.empty();
  const std::string folder = argument.subpath.empty() ? "/" : argument.subpath;
  const std::string path = snapshot::clean_path(arguments.path, folder);
  const std::string key = snapshot::key_from_path(path);
  if (everything) {
    TRY(listing.print_tree(key));
    return found.done();
  }
  auto entry = TRY(snapshot::find_entry(*repository, stored.snapshot.tree, key));
  if (!entry) {
    return std::unexpected(Error(ErrorCode::kNotFound,
                                 fmt::format("snapshot {} has no {}", stored.id.short_hex(), path))
                               .with_hint("Without a path, 'backstay ls' lists everything."));
  }
  if (entry->type != snapshot::EntryType::kDirectory) {
    TRY(listing.print({.key = key, .entry = std::move(*entry)}));
  } else if (arguments.recursive) {
    TRY(listing.print_tree(key));
  } else {
    TRY(listing.print_folder(key));
  }
  return found.done();
}

Result<ExitCode> run_ls(Context& context, const LsArguments& arguments) {
  return read_from_places(context,
                          [&](Context& place) { return list_from_place(place, arguments); });
}

}  // namespace

Command ls_command() {
  const auto arguments = std::make_shared<LsArguments>();
  std::vector<Option> options{
      flag("-l,--long", arguments->details, "show type, mode, owner, group, size and time too"),
      flag("--recursive", arguments->recursive,
           "with PATH: everything below it, not only what is directly in it")};
  append_choice_options(options, arguments->choice);
  SetValue set_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshot = which;
    return {};
  };
  SetValue set_path = [arguments](std::string_view path) -> Result<void> {
    arguments->path = path;
    return {};
  };
  return {
      .name = "ls",
      .summary = "List the files of a snapshot",
      .description =
          "Without PATH everything in the snapshot is listed; with PATH what is directly in that "
          "folder, or everything below it with --recursive. On a terminal, control characters in "
          "names are shown as \\x1b and the like. When latest or a time had to pass over a damaged "
          "snapshot, the exit code is 3.",
      .examples = {{"backstay ls latest /etc -l", "What is in a folder"},
                   {"backstay ls latest:/home --recursive", "Everything below a folder"}},
      .arguments = {{.name = "SNAP[:SUBPATH]",
                     .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                     .arity = Arity::kOne,
                     .set = set_snapshot},
                    {.name = "PATH",
                     .help = "file or folder in the snapshot",
                     .arity = Arity::kOptional,
                     .set = set_path}},
      .options = std::move(options),
      .run = [arguments](Context& context) { return run_ls(context, *arguments); }};
}

}  // namespace backstay::cli
