// A recovery key in parts: key split, key combine; and key check, which proves that a key works.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "base/try.h"
#include "cli/console.h"
#include "cli/key_commands.h"
#include "cli/output_text.h"
#include "cli/passphrase.h"
#include "cli/session.h"
#include "crypto/shares.h"
#include "crypto/words.h"
#include "io/file.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct SplitArguments {
  std::string parts;  // "3/5"
  std::string label;
  std::string out;
};

struct CombineArguments {
  std::vector<std::string> files;
  std::string out;
};

struct Parts {
  unsigned threshold = 0;
  unsigned count = 0;
};

Result<Parts> parse_parts(std::string_view text) {
  Parts parts;
  const std::size_t slash = text.find('/');
  const auto parse = [](std::string_view digits, unsigned& number) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (slash != std::string_view::npos && parse(text.substr(0, slash), parts.threshold) &&
      parse(text.substr(slash + 1), parts.count)) {
    return parts;
  }
  return std::unexpected(Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not M/N", text))
                             .with_hint("3/5 makes five shares, any three of which are enough."));
}

// Only for its owner, and never over something that is there.
Result<void> write_words(const std::string& path, const std::string& words) {
  const std::string line = words + "\n";
  const ByteView bytes = as_bytes(line);
  return io::create_file(path, {&bytes, 1}, io::Durability::kSynced);
}

Result<void> print_share(const Context& context, const crypto::Share& share, unsigned count,
                         const std::string& folder) {
  const std::string words = crypto::to_words(share);
  std::string path;
  if (!folder.empty()) {
    path = fmt::format("{}/share-{}-of-{}.txt", folder, share.number, count);
    TRY(write_words(path, words));
  }
  if (context.console.json()) {
    json::Json line = json::line_of("share");
    line["number"] = share.number;
    line["needed"] = share.threshold;
    if (path.empty()) line["words"] = words;
    if (!path.empty()) json::put_text(line, "file", path);
    context.console.print_json(line);
  } else if (path.empty()) {
    context.console.print(fmt::format("share {} of {}, {} are needed:\n{}\n\n", share.number, count,
                                      share.threshold, words));
  } else {
    context.console.print(path + "\n");
  }
  return {};
}

// The slot first: shares that are shown open something.
Result<ExitCode> split_key(Context& context, const SplitArguments& arguments) {
  const Parts parts = TRY(parse_parts(arguments.parts));
  const crypto::Secret secret = crypto::Secret::random(context.rng);
  const std::vector<crypto::Share> shares =
      TRY(crypto::split_secret(secret, parts.threshold, parts.count, context.rng));
  const auto repository = TRY(open_encrypted(context));
  std::string label = arguments.label;
  if (label.empty()) label = fmt::format("in {} shares, {} needed", parts.count, parts.threshold);
  const repo::ObjectId id = TRY(
      repository->add_key_slot(new_slot(context, repo::SlotKind::kRecoveryKey, std::move(label)),
                               {.passphrase = {}, .recovery_key = secret}));
  for (const crypto::Share& share : shares)
    TRY(print_share(context, share, parts.count, arguments.out));
  context.console.note(fmt::format(
      "Any {} of these {} shares give back a recovery key (key slot {}), fewer say nothing about "
      "it. "
      "They are shown this once: hand them to different people. 'backstay key combine' puts them "
      "together.",
      parts.threshold, parts.count, id.short_hex()));
  return ExitCode::kDone;
}

Result<ExitCode> combine_shares(Context& context, const CombineArguments& arguments) {
  std::vector<crypto::Share> shares;
  for (const std::string& path : arguments.files) {
    const std::string words = TRY(read_secret_file(path, context.stop.get_token()));
    shares.push_back(TRY_DOING("reading the share in " + path, crypto::share_from_words(words)));
  }
  const crypto::Secret secret = TRY(crypto::combine_shares(shares));
  const std::string words = crypto::to_words(secret);
  if (!arguments.out.empty()) TRY(write_words(arguments.out, words));
  if (context.console.json()) {
    json::Json line = json::line_of("combined_key");
    if (arguments.out.empty()) line["words"] = words;
    if (!arguments.out.empty()) json::put_text(line, "file", arguments.out);
    context.console.print_json(line);
  } else if (arguments.out.empty()) {
    context.console.print(words + "\n");
  }
  context.console.note(
      "These words are a recovery key: give them with --recovery-key-file. Set a new passphrase "
      "with "
      "'backstay key add', and see with 'backstay key check' that it works.");
  return ExitCode::kDone;
}

// Everything between a key and the bytes of a file, but for the bytes: the newest snapshot and the
// first page of its tree.
Result<ExitCode> check_key(Context& context) {
  const auto repository = TRY(open_encrypted(context, KeyUse::kWriting));
  const std::vector<repo::KeySlotEntry> slots = TRY(repository->key_slots());
  const auto used = std::ranges::find_if(slots, &repo::KeySlotEntry::opened_this_session);
  const bool write_only = repository->keyring().is_write_only();
  SnapshotList list;
  if (!write_only) list = TRY(list_snapshots(context, *repository));
  if (!list.snapshots.empty()) {
    TRY(load_index(context, *repository));
    TRY_DOING("reading the newest snapshot with this key",
              repository->read(list.snapshots.back().snapshot.tree.page));
  }
  const auto forks = TRY(repository->forked_key_epochs());
  for (const repo::ForkedEpoch& fork : forks)
    context.console.warning(
        fmt::format("key epoch {} was begun twice, with different keys: by {}", fork.number,
                    fmt::join(fork.objects, " and ")),
        "One of them was made by somebody who had a full key and can still write to the store: "
        "docs/threat-model.md says what to do.");
  const std::string id = used == slots.end() ? "" : used->id.short_hex();
  const std::string_view kind =
      used == slots.end() ? std::string_view() : repo::to_string(used->info.kind);
  if (context.console.json()) {
    json::Json line = json::line_of("key_works");
    line["id"] = used == slots.end() ? json::Json(nullptr) : json::Json(used->id.hex());
    line["kind"] = kind;
    line["write_only"] = write_only;
    line["snapshots_readable"] = list.snapshots.size();
    line["snapshots_damaged"] = list.damaged.size();
    context.console.print_json(line);
  } else if (write_only) {
    context.console.print(fmt::format(
        "the key works: it is the {} of key slot {}, and can back up and not read\n", kind, id));
  } else {
    context.console.print(
        fmt::format("the key works: it is the {} of key slot {}, and {} can be "
                    "read with it\n",
                    kind, id, counted(list.snapshots.size(), "snapshot")));
  }
  return list.damaged.empty() && forks.empty() ? ExitCode::kDone : ExitCode::kDamage;
}

}  // namespace

Command key_check_command() {
  return {.name = "check",
          .summary = "See that a passphrase or recovery key works",
          .description =
              "Opens the repository with the key that is given, and with nothing else, reads all "
              "snapshot objects and the tree of the newest one. Restores nothing.",
          .run = check_key};
}

Command key_split_command() {
  const auto arguments = std::make_shared<SplitArguments>();
  return {.name = "split",
          .summary = "Make a recovery key in shares, some of which are needed",
          .description =
              "Makes a new recovery key, keeps it nowhere, and prints its shares: with 3/5 any "
              "three of five give it back, and two say nothing about it (Shamir's scheme).",
          .arguments = {{.name = "M/N",
                         .help = "how many are needed, of how many",
                         .arity = Arity::kOne,
                         .set = [arguments](std::string_view parts) -> Result<void> {
                           arguments->parts = parts;
                           return {};
                         }}},
          .options = {text("--label", "TEXT", arguments->label, "a name for the key slot"),
                      text("--out", "FOLDER", arguments->out,
                           "write a file for each share into this folder, and print none")},
          .run = [arguments](Context& context) { return split_key(context, *arguments); }};
}

Command key_combine_command() {
  const auto arguments = std::make_shared<CombineArguments>();
  return {.name = "combine",
          .summary = "Put the shares of a recovery key together; needs no repository",
          .description = "Prints the words of the recovery key that was split.",
          .arguments = {{.name = "FILE",
                         .help = "a file with the words of one share",
                         .arity = Arity::kAtLeastOne,
                         .set = [arguments](std::string_view path) -> Result<void> {
                           arguments->files.emplace_back(path);
                           return {};
                         }}},
          .options = {text("--out", "FILE", arguments->out,
                           "write the words into this new file, and print none")},
          .run = [arguments](Context& context) { return combine_shares(context, *arguments); }};
}

}  // namespace backstay::cli
