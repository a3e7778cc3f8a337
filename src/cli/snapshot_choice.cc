#include "cli/snapshot_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/try.h"
#include "cli/console.h"
#include "cli/session.h"
#include "engine/select.h"
#include "io/machine.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {

// What is empty mostly comes from a variable that is not set, and would choose everything.
static Option not_empty(Option option, std::string_view separators = "") {
  option.set = [names = option.names, separators,
                set = std::move(option.set)](std::string_view given) -> Result<void> {
    if (given.find_first_not_of(separators) != std::string_view::npos) return set(given);
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("what follows {} is empty", names.substr(names.rfind("--"))))
            .with_hint("Say which snapshots are meant, or leave the option out for all of them. If "
                       "a variable was given, it is not set."));
  };
  return option;
}

void append_choice_options(std::vector<Option>& options, SnapshotChoice& target) {
  options.push_back(
      not_empty(text("-H,--host", "HOST", target.host, "only snapshots of this host")));
  options.push_back(
      not_empty(texts("--tag", "TAG", target.tags,
                      "only snapshots with this tag (a,b: with both; repeated: with any)"),
                ","));
  options.push_back(not_empty(
      texts("--path", "PATH", target.paths, "only snapshots of this path (repeated: of all)")));
}

std::vector<std::string> split_tags(const std::vector<std::string>& lists) {
  std::vector<std::string> tags;
  for (std::string_view list : lists) {
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      if (comma > 0) tags.emplace_back(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
  }
  return tags;
}

std::vector<repo::StoredSnapshot> chosen(std::vector<repo::StoredSnapshot> snapshots,
                                         const SnapshotChoice& choice) {
  const std::string current = io::current_directory().value_or("/");
  engine::SnapshotFilter filter{.host = choice.host, .tags = {}, .paths = {}};
  for (const std::string& path : choice.paths)
    filter.paths.push_back(snapshot::clean_path(path, current));
  const auto left_out = [&](const repo::StoredSnapshot& stored) {
    if (choice.tags.empty()) return !engine::fits(stored.snapshot, filter);
    return std::ranges::none_of(choice.tags, [&](const std::string& list) {
      engine::SnapshotFilter with_tags = filter;
      with_tags.tags = split_tags({list});
      return engine::fits(stored.snapshot, with_tags);
    });
  };
  std::erase_if(snapshots, left_out);
  return snapshots;
}

// Who gives the id of a damaged snapshot hears that, and not that there is none.
static Result<void> refuse_damaged(const SnapshotList& list, std::string_view which) {
  constexpr std::size_t kPrefixMin = 8;
  if (which.size() < kPrefixMin) return {};
  for (const DamagedSnapshot& damaged : list.damaged) {
    if (!damaged.id.hex().starts_with(which)) continue;
    return std::unexpected(
        Error(ErrorCode::kCorruption,
              fmt::format("snapshot {} is damaged: {}", damaged.id.short_hex(), damaged.what))
            .with_hint("Use another one: 'backstay snapshots' lists those that are whole."));
  }
  return {};
}

Result<FoundSnapshot> find_snapshot(const Context& context, repo::Repository& repository,
                                    const SnapshotChoice& choice, std::string_view which,
                                    PassOver damaged) {
  SnapshotList list = TRY(list_snapshots(context, repository));
  TRY(refuse_damaged(list, which));
  const bool by_time = which.starts_with("latest") || which.starts_with('@');
  auto selected = engine::select_snapshot(chosen(std::move(list.snapshots), choice), {}, which,
                                          context.clock.now());
  if (!selected && by_time && !list.damaged.empty() &&
      selected.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kCorruption,
              fmt::format("no whole snapshot fits '{}', and damaged ones cannot be read", which))
            .with_hint("'backstay check' names what is damaged."));
  }
  FoundSnapshot found;
  found.stored = TRY(std::move(selected));
  if (!by_time && !found.stored.id.hex().starts_with(which)) {
    context.console.note(fmt::format("snapshot {} has its copy here as {}", which.substr(0, 8),
                                     found.stored.id.short_hex()));
  }
  found.certain = list.damaged.empty() || !by_time;
  if (!found.certain && damaged == PassOver::kRefuse) {
    return std::unexpected(
        Error(ErrorCode::kCorruption,
              fmt::format("'{}' may mean a snapshot that is damaged; nothing was written", which))
            .with_hint(fmt::format("Give {} instead of '{}' for the one that fits best of those "
                                   "that are whole; 'backstay snapshots' lists them.",
                                   found.stored.id.short_hex(), which)));
  }
  if (!found.certain) {
    context.console.warning(fmt::format(
        "'{}' is taken to be snapshot {}, the one that fits best of those that are whole; a "
        "damaged one may have been meant, so the exit code is not 0 (give an id to be sure)",
        which, found.stored.id.short_hex()));
  }
  return found;
}

// A whole one that fits as well makes the prefix ambiguous.
static Result<std::optional<snapshot::SnapshotId>> damaged_of_name(const SnapshotList& list,
                                                                   std::string_view which) {
  constexpr std::size_t kPrefixMin = 8;
  std::vector<snapshot::SnapshotId> fitting;
  if (which.size() < kPrefixMin) return std::nullopt;
  for (const DamagedSnapshot& damaged : list.damaged) {
    if (damaged.id.hex().starts_with(which)) fitting.push_back(damaged.id);
  }
  if (fitting.empty()) return std::nullopt;
  const bool also_whole = std::ranges::any_of(
      list.snapshots, [&](const auto& stored) { return stored.id.hex().starts_with(which); });
  if (fitting.size() == 1 && !also_whole) return fitting.front();
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("several snapshots begin with '{}'", which))
          .with_hint("Give more digits of the id."));
}

Result<NamedSnapshots> find_named(const Context& context, repo::Repository& repository,
                                  const SnapshotChoice& choice,
                                  const std::vector<std::string>& names, DamagedByName damaged) {
  const SnapshotList list = TRY(list_snapshots(context, repository));
  const std::vector<repo::StoredSnapshot> fitting = chosen(list.snapshots, choice);
  NamedSnapshots found;
  for (const std::string& name : names) {
    if (damaged == DamagedByName::kRefuse) TRY(refuse_damaged(list, name));
    if (const auto id = TRY(damaged_of_name(list, name))) {
      found.damaged.push_back(*id);
      continue;
    }
    if (!list.damaged.empty() && (name.starts_with("latest") || name.starts_with('@'))) {
      return std::unexpected(
          Error(ErrorCode::kCorruption,
                fmt::format("'{}' may mean a snapshot that is damaged; nothing was done", name))
              .with_hint("Give ids: 'backstay snapshots' lists them."));
    }
    repo::StoredSnapshot one = TRY(engine::select_snapshot(fitting, {}, name, context.clock.now()));
    if (std::ranges::find(found.whole, one.id, &repo::StoredSnapshot::id) == found.whole.end())
      found.whole.push_back(std::move(one));
  }
  return found;
}

Argument snapshots_argument(std::vector<std::string>& target, Arity arity) {
  return {.name = "SNAP",
          .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
          .arity = arity,
          .set = [&target](std::string_view which) -> Result<void> {
            target.emplace_back(which);
            return {};
          }};
}

}  // namespace backstay::cli
