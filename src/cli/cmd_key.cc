#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/key_commands.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/passphrase.h"
#include "cli/session.h"
#include "crypto/words.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct KeyArguments {
  std::string label;
  std::string new_password_file;
  std::string id;
};

Result<repo::Credential> new_passphrase(const Context& context, const KeyArguments& arguments) {
  if (arguments.new_password_file.empty()) {
    return ask_new_passphrase("new passphrase", "Give the new passphrase with --new-password-file.",
                              context.stop.get_token());
  }
  std::string secret = TRY(read_secret_file(arguments.new_password_file, context.stop.get_token()));
  if (secret.empty()) return fail(ErrorCode::kInvalidArgument, "the new passphrase is empty");
  return repo::Credential{.passphrase = std::move(secret), .recovery_key = {}};
}

void print_change(Console& console, const char* type, const repo::ObjectId& id,
                  const std::string& text) {
  if (console.json()) {
    json::Json line;
    line["type"] = type;
    line["id"] = id.hex();
    line["short_id"] = id.short_hex();
    console.print_json(line);
  } else {
    console.print(text + "\n");
  }
}

Result<ExitCode> list_keys(Context& context) {
  const auto repository = TRY(open_repository(context));
  const std::vector<repo::KeySlotEntry> slots = TRY(repository->key_slots());
  if (context.console.json()) {
    for (const repo::KeySlotEntry& slot : slots) context.console.print_json(key_line(slot));
  } else {
    context.console.print(keys_text(slots));
  }
  return ExitCode::kDone;
}

Result<ExitCode> add_passphrase(Context& context, const KeyArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  const repo::Credential credential = TRY(new_passphrase(context, arguments));
  const repo::ObjectId id = TRY(repository->add_key_slot(
      new_slot(context, repo::SlotKind::kPassphrase, arguments.label), credential));
  print_change(context.console, "key_added", id, fmt::format("added key slot {}", id.short_hex()));
  return ExitCode::kDone;
}

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

Result<ExitCode> remove_key(Context& context, const KeyArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  const repo::KeySlotEntry slot = TRY(find_slot(*repository, arguments.id));
  const Result<void> removed = repository->remove_key_slot(slot.id);
  if (!removed && removed.error().code() == ErrorCode::kConflict) {
    // No lease is in the way here, which is what a conflict says elsewhere: the last slot stays.
    context.console.error(removed.error());
    if (context.console.json()) context.console.print_json(error_line(removed.error()));
    return ExitCode::kFailed;
  }
  if (!removed) return std::unexpected(removed.error().clone());
  print_change(
      context.console, "key_removed", slot.id,
      fmt::format("removed key slot {}; who has copied it and knows its passphrase can still read "
                  "what is in the repository",
                  slot.id.short_hex()));
  return ExitCode::kDone;
}

// The new slot first: at no moment is there none that opens.
Result<ExitCode> change_passphrase(Context& context, const KeyArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  const std::vector<repo::KeySlotEntry> slots = TRY(repository->key_slots());
  const auto current = std::ranges::find_if(slots, &repo::KeySlotEntry::opened_this_session);
  const bool replaces = current != slots.end() && current->info.kind == repo::SlotKind::kPassphrase;
  const repo::Credential credential = TRY(new_passphrase(context, arguments));
  const repo::ObjectId id = TRY(repository->add_key_slot(
      new_slot(context, repo::SlotKind::kPassphrase, replaces ? current->info.label : ""),
      credential));
  if (replaces && current->id != id) TRY(repository->remove_key_slot(current->id));
  print_change(context.console, "key_changed", id,
               fmt::format("changed: key slot {} takes the new passphrase", id.short_hex()));
  if (!replaces) {
    context.console.note(
        "The repository was opened with a recovery key, so no old passphrase was removed; "
        "'backstay key remove' does that.");
  }
  return ExitCode::kDone;
}

Result<ExitCode> make_recovery_key(Context& context, const KeyArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  const crypto::Secret secret = crypto::Secret::random(context.rng);
  const repo::ObjectId id =
      TRY(repository->add_key_slot(new_slot(context, repo::SlotKind::kRecoveryKey, arguments.label),
                                   {.passphrase = {}, .recovery_key = secret}));
  Console& console = context.console;
  if (console.json()) {
    json::Json line;
    line["type"] = "recovery_key";
    line["id"] = id.hex();
    line["short_id"] = id.short_hex();
    line["words"] = crypto::to_words(secret);
    console.print_json(line);
  } else {
    console.print(crypto::to_words(secret) + "\n");
    console.note(fmt::format(
        "These words open the repository (key slot {}). They are shown this once: write "
        "them down and keep them apart from the repository.",
        id.short_hex()));
  }
  return ExitCode::kDone;
}

Command subcommand(std::string name, std::string summary, std::vector<Option> options,
                   std::function<Result<ExitCode>(Context&)> run) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .description = {},
          .options = std::move(options),
          .run = std::move(run)};
}

}  // namespace

Result<std::unique_ptr<repo::Repository>> open_encrypted(const Context& context) {
  auto repository = TRY(open_repository(context));
  if (repository->config().suite != crypto::Suite::kPlain) return repository;
  return fail(ErrorCode::kUnsupported,
              "the repository is not encrypted: there are no keys to manage");
}

repo::SlotInfo new_slot(const Context& context, repo::SlotKind kind, std::string label) {
  return {.kind = kind,
          .created = context.clock.now(),
          .label = std::move(label),
          .host = io::hostname(),
          .user = io::user_name(),
          .argon2 = {}};
}

Command key_command() {
  const auto arguments = std::make_shared<KeyArguments>();
  const auto label = [&] {
    return text("--label", "TEXT", arguments->label, "a name for the key slot");
  };
  const auto password = [&] {
    return text("--new-password-file", "FILE", arguments->new_password_file,
                "read the new passphrase from this file; else it is asked for");
  };
  Command remove = subcommand("remove", "Remove a key slot", {}, [arguments](Context& context) {
    return remove_key(context, *arguments);
  });
  remove.arguments.push_back({.name = "ID",
                              .help = "at least 8 digits of the slot's id",
                              .arity = Arity::kOne,
                              .set = [arguments](std::string_view id) -> Result<void> {
                                arguments->id = id;
                                return {};
                              }});
  Command command{.name = "key",
                  .summary = "Manage passphrases and recovery keys",
                  .description =
                      "Every key slot opens the repository on its own. A passphrase given with "
                      "--password-file or in the environment opens it; new ones come from "
                      "--new-password-file or are asked for on the terminal.",
                  .examples = {{"backstay key recovery --label 'safe in the office'",
                                "Make a recovery key and print its words"},
                               {"backstay key check --recovery-key-file words.txt",
                                "See that a recovery key opens the repository"},
                               {"backstay key split 3/5 --out /media/stick",
                                "Make a recovery key in five parts, three of which are needed"}}};
  command.commands.push_back(subcommand("list", "List key slots", {}, list_keys));
  command.commands.push_back(
      subcommand("add", "Add a passphrase", {label(), password()},
                 [arguments](Context& context) { return add_passphrase(context, *arguments); }));
  command.commands.push_back(std::move(remove));
  command.commands.push_back(
      subcommand("change-password", "Replace the passphrase that is used now", {password()},
                 [arguments](Context& context) { return change_passphrase(context, *arguments); }));
  command.commands.push_back(
      subcommand("recovery", "Make a recovery key and print its words once", {label()},
                 [arguments](Context& context) { return make_recovery_key(context, *arguments); }));
  command.commands.push_back(key_check_command());
  command.commands.push_back(key_split_command());
  command.commands.push_back(key_combine_command());
  return command;
}

}  // namespace backstay::cli
