#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/key_commands.h"
#include "cli/key_source.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/passphrase.h"
#include "cli/session.h"
#include "crypto/words.h"
#include "engine/store_lock.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct KeyArguments {
  std::string label;
  std::string new_password_file;
  std::string key_file;
  std::string command;
  std::string wrap_command;
  bool write_only = false;
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

// What opens the new slot. What a slot of a command keeps for it goes into `info`.
Result<repo::Credential> new_key(const Context& context, const KeyArguments& arguments,
                                 repo::SlotInfo& info) {
  const auto stop = context.stop.get_token();
  const int given = static_cast<int>(!arguments.new_password_file.empty()) +
                    static_cast<int>(!arguments.key_file.empty()) +
                    static_cast<int>(!arguments.command.empty());
  if (given > 1) {
    return fail(ErrorCode::kInvalidArgument,
                "only one of --new-password-file, --key-file and --command makes sense");
  }
  if (!arguments.wrap_command.empty() && arguments.command.empty())
    return fail(ErrorCode::kInvalidArgument, "--wrap-command needs --command");
  if (!arguments.key_file.empty()) {
    info.kind = repo::SlotKind::kKeyFile;
    return repo::Credential{
        .passphrase = {},
        .recovery_key = {},
        .key_file = TRY(read_or_make_key_file(arguments.key_file, context.rng, stop))};
  }
  if (arguments.command.empty()) return new_passphrase(context, arguments);
  info.kind = repo::SlotKind::kCommand;
  const Patience patience{.stop = stop, .limit = context.options.key_timeout};
  if (!arguments.wrap_command.empty()) {
    info.ciphertext = TRY(wrap_new_secret(
        {.wrap = arguments.wrap_command, .unwrap = arguments.command}, context.rng, patience));
  }
  return repo::Credential{
      .passphrase = {},
      .recovery_key = {},
      .key_command = secret_from_command(arguments.command, patience, Answers::kAskedAgain)};
}

Result<ExitCode> list_keys(Context& context) {
  const auto repository = TRY(open_repository(context, KeyUse::kWriting));
  const std::vector<repo::KeySlotEntry> slots = TRY(repository->key_slots());
  if (context.console.json()) {
    for (const repo::KeySlotEntry& slot : slots) context.console.print_json(key_line(slot));
  } else {
    context.console.print(keys_text(slots));
  }
  return ExitCode::kDone;
}

Result<ExitCode> add_key(Context& context, const KeyArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  repo::SlotInfo info = new_slot(context, repo::SlotKind::kPassphrase, arguments.label);
  info.write_only = arguments.write_only;
  const repo::Credential credential = TRY(new_key(context, arguments, info));
  const repo::ObjectId id = TRY(repository->add_key_slot(info, credential));
  print_key_change(context.console, "key_added", id,
                   fmt::format("added key slot {}: it opens with a {} and can {}", id.short_hex(),
                               repo::to_string(info.kind),
                               info.write_only ? "back up, and not read" : "do everything"));
  return ExitCode::kDone;
}

// The new slot first: at no moment is there none that opens.
Result<ExitCode> change_passphrase(Context& context, const KeyArguments& arguments) {
  const auto repository = TRY(open_encrypted(context));
  const std::vector<repo::KeySlotEntry> slots = TRY(repository->key_slots());
  const auto current = std::ranges::find_if(slots, &repo::KeySlotEntry::opened_this_session);
  const bool replaces = current != slots.end() && current->info.kind == repo::SlotKind::kPassphrase;
  const repo::Credential credential = TRY(new_passphrase(context, arguments));
  if (replaces) TRY(engine::require_removals(*repository, "key change-password"));
  const repo::ObjectId id = TRY(repository->add_key_slot(
      new_slot(context, repo::SlotKind::kPassphrase, replaces ? current->info.label : ""),
      credential));
  if (replaces && current->id != id) {
    TRY_DOING(
        fmt::format("removing the old passphrase, after key slot {} was added for the new one",
                    id.short_hex()),
        repository->remove_key_slot(current->id));
  }
  print_key_change(context.console, "key_changed", id,
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
    json::Json line = json::line_of("recovery_key");
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

Command key_add_command(const std::shared_ptr<KeyArguments>& to) {
  return {
      .name = "add",
      .summary = "Add a passphrase, key file or key command",
      .description =
          "Adds a key slot. With --key-file it opens with that file, which is made where it is "
          "missing. With --command it opens with what the program prints, run without a shell; "
          "with --wrap-command, too, a new secret is encrypted once by that program, its output "
          "is kept in the repository, and is given to the command on its standard input each "
          "time. With --write-only the new key can back up, and cannot read, list or remove.",
      .examples = {{"backstay key add --key-file /root/backstay.key --write-only --label web1",
                    "A key for a client that need not read"},
                   {"backstay key add --command fetch-key",
                    "A key that a program fetches, from a key manager for example"}},
      .options = {text("--label", "TEXT", to->label, "a name for the key slot"),
                  text("--new-password-file", "FILE", to->new_password_file,
                       "read the new passphrase from this file; else it is asked for"),
                  text("--key-file", "FILE", to->key_file,
                       "the new key is this file; made where it is missing"),
                  text("--command", "COMMAND", to->command,
                       "the new key is what this program prints"),
                  text("--wrap-command", "COMMAND", to->wrap_command,
                       "encrypts a secret from standard input, for --command to decrypt"),
                  flag("--write-only", to->write_only, "the new key cannot read")},
      .run = [to](Context& context) { return add_key(context, *to); }};
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

void print_key_change(Console& console, const char* type, const repo::ObjectId& id,
                      const std::string& text) {
  if (console.json()) {
    json::Json line = json::line_of(type);
    line["id"] = id.hex();
    line["short_id"] = id.short_hex();
    console.print_json(line);
  } else {
    console.print(text + "\n");
  }
}

Result<std::unique_ptr<repo::Repository>> open_encrypted(const Context& context, KeyUse use) {
  auto repository = TRY(open_repository(context, use));
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
  Command command{.name = "key",
                  .summary = "Manage passphrases, recovery keys and other keys",
                  .description =
                      "Every key slot opens the repository on its own: with a passphrase, a "
                      "recovery key, a key file, or what a command gives. What is given with "
                      "--password-file, --key-file, --key-command or in the environment opens it; "
                      "new passphrases come from --new-password-file or are asked for on the "
                      "terminal. docs/keys.md has examples for key managers.",
                  .examples = {{"backstay key recovery --label 'safe in the office'",
                                "Make a recovery key and print its words"},
                               {"backstay key check --recovery-key-file words.txt",
                                "See that a recovery key opens the repository"},
                               {"backstay key split 3/5 --out /media/stick",
                                "Make a recovery key in five parts, three of which are needed"}}};
  command.commands.push_back(subcommand("list", "List key slots", {}, list_keys));
  command.commands.push_back(key_add_command(arguments));
  command.commands.push_back(key_remove_command());
  command.commands.push_back(key_rotate_command());
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
