// What takes keys away: key remove and key rotate.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/try.h"
#include "cli/console.h"
#include "cli/key_commands.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct RemoveArguments {
  std::string id;
  bool rotate = false;
};

Result<repo::KeySlotEntry> find_slot(repo::Repository& repository, const std::string& prefix) {
  constexpr std::size_t kPrefixMin = 8;
  if (prefix.size() < kPrefixMin) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is shorter than {} digits", prefix, kPrefixMin));
  }
  std::vector<repo::KeySlotEntry> slots = TRY(repository.key_slots());
  std::erase_if(slots,
                [&](const repo::KeySlotEntry& slot) { return !slot.id.hex().starts_with(prefix); });
  if (slots.size() == 1) return std::move(slots.front());
  return std::unexpected(
      Error(slots.empty() ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
            fmt::format("{} begins with '{}'",
                        slots.empty() ? "no key slot" : "more than one key slot", prefix))
          .with_hint("'backstay key list' shows them."));
}

json::Json ids_of(const std::vector<repo::KeySlotEntry>& slots) {
  json::Json ids = json::Json::array();
  for (const repo::KeySlotEntry& slot : slots) ids.push_back(slot.id.hex());
  return ids;
}

void warn_of_left_behind(Console& console, const repo::RotationReport& report) {
  for (const repo::KeySlotEntry& slot : report.left_behind) {
    console.warning(fmt::format(
        "key slot {} was added while the keys were changed: it does not open the repository any "
        "more; remove it and add it anew",
        slot.id.short_hex()));
  }
}

void print_rotation(Console& console, const repo::RotationReport& report) {
  if (console.json()) {
    json::Json line = json::line_of("keys_rotated");
    line["epoch"] = report.epoch;
    line["carried"] = ids_of(report.carried);
    line["left_behind"] = ids_of(report.left_behind);
    console.print_json(line);
    return;
  }
  console.print(fmt::format(
      "changed the keys: what is stored from now on is protected by those of epoch {}, which {} "
      "open\n",
      report.epoch, counted(report.carried.size(), "key slot")));
  console.print(keys_text(report.carried));
}

void tell_if_last(Console& console, const std::vector<repo::KeySlotEntry>& slots) {
  const auto full = std::ranges::count_if(
      slots, [](const repo::KeySlotEntry& slot) { return slot.usable && !slot.info.write_only; });
  if (full != 1) return;
  console.warning("one key is left that can read: when it is lost, so is everything",
                  "'backstay key recovery' makes another one, to be kept on paper.");
}

// Unless somebody else is in the way, which is what a conflict says elsewhere: the last slot stays.
Result<ExitCode> last_key_stays(const Context& context, repo::Repository& repository,
                                const repo::ObjectId& id, const Error& error) {
  if (error.code() != ErrorCode::kConflict) return std::unexpected(error.clone());
  const auto slots = repository.key_slots();
  const bool another = !slots || std::ranges::any_of(*slots, [&](const repo::KeySlotEntry& slot) {
    return slot.id != id && slot.usable && !slot.info.write_only;
  });
  if (another) return std::unexpected(error.clone());
  context.console.error(error);
  if (context.console.json()) context.console.print_json(error_line(error));
  return ExitCode::kFailed;
}

Result<ExitCode> remove_key(Context& context, const RemoveArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  const repo::KeySlotEntry slot = TRY(find_slot(*repository, arguments.id));
  std::string after =
      "; who has copied it and knows its passphrase or key can still read what is in the "
      "repository, and what comes: see --rotate";
  if (arguments.rotate) {
    const auto rotated = repository->rotate_keys(slot.id);
    if (!rotated) return last_key_stays(context, *repository, slot.id, rotated.error());
    warn_of_left_behind(context.console, *rotated);
    if (!context.console.json() || rotated->not_removed || rotated->not_listed)
      print_rotation(context.console, *rotated);
    if (rotated->not_removed) return std::unexpected(rotated->not_removed->clone());
    if (rotated->not_listed) return std::unexpected(rotated->not_listed->clone());
    after =
        "; who has copied it can still read what was stored until now, and what backups store that "
        "run now and end under the old keys, and nothing that comes";
  } else {
    const auto removed = repository->remove_key_slot(slot.id);
    if (!removed) return last_key_stays(context, *repository, slot.id, removed.error());
  }
  print_key_change(context.console, "key_removed", slot.id,
                   fmt::format("removed key slot {}{}", slot.id.short_hex(), after));
  tell_if_last(context.console, TRY(repository->key_slots()));
  return ExitCode::kDone;
}

Result<ExitCode> rotate(Context& context) {
  const auto repository = TRY(open_encrypted(context));
  const repo::RotationReport report = TRY(repository->rotate_keys({}));
  warn_of_left_behind(context.console, report);
  print_rotation(context.console, report);
  if (report.not_listed) return std::unexpected(report.not_listed->clone());
  return ExitCode::kDone;
}

}  // namespace

Command key_remove_command() {
  const auto arguments = std::make_shared<RemoveArguments>();
  return {.name = "remove",
          .summary = "Remove a key slot",
          .description =
              "The last key that can read stays. Whoever has a copy of the slot's object and what "
              "opens it can still read everything, unless the keys are changed, too (--rotate): "
              "then he can read what was stored until now, and what backups store that run at that "
              "moment, and nothing that is stored later.",
          .arguments = {{.name = "ID",
                         .help = "at least 8 digits of the slot's id",
                         .arity = Arity::kOne,
                         .set = [arguments](std::string_view id) -> Result<void> {
                           arguments->id = id;
                           return {};
                         }}},
          .options = {flag("--rotate", arguments->rotate,
                           "change the keys as well, so that the slot is worth nothing for what "
                           "comes")},
          .run = [arguments](Context& context) { return remove_key(context, *arguments); }};
}

Command key_rotate_command() {
  return {.name = "rotate",
          .summary = "Change the keys of what is stored from now on",
          .description =
              "Begins a new key epoch. All key slots go on and open what was and what comes; no "
              "passphrase or key but the one that is used now is needed for that. Nothing is "
              "stored again. Backups that run meanwhile end under the keys that they began with. "
              "Somebody who has the keys of before cannot read what comes, when his key slot is "
              "removed (see 'key remove --rotate') and he cannot write to the store.",
          .examples = {{"backstay key remove 3fa94c01 --rotate",
                        "A laptop was stolen: its key opens nothing that comes"}},
          .run = rotate};
}

}  // namespace backstay::cli
