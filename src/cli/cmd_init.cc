#include <fmt/format.h>

#include <limits>
#include <memory>

#include "backend/open.h"
#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/compression_option.h"
#include "cli/console.h"
#include "cli/session.h"
#include "cli/store_world.h"
#include "cli/weak_store.h"
#include "crypto/words.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct InitArguments {
  std::optional<crypto::Suite> suite;
  bool write_only = false;
  bool append_only = false;
  repo::Compression compression;
  std::uint64_t kdf_memory = 0;
};

// docs/format.md section 4.4.
constexpr std::uint64_t kKdfMemoryMin = 8 * kKiB;
constexpr std::uint64_t kKdfMemoryMax = 4 * kGiB;

// A passphrase is asked for only where a repository can be made, and before a folder is.
bool is_repository(const std::string& url, const Context& context) {
  const auto backend = backend::open_backend(url, backend::OpenKind::kOpen, store_world(context));
  return backend && (*backend)->head("config").has_value();
}

Result<std::unique_ptr<repo::Repository>> make_repository(const Context& context,
                                                          const InitArguments& arguments,
                                                          const crypto::Secret& recovery_key) {
  const std::string url = TRY(repository_url(context));
  if (context.options.read_only) {
    return fail(ErrorCode::kInvalidArgument, "a repository cannot be made with --read-only");
  }
  repo::InitOptions options{
      .suite = arguments.suite, .compression = arguments.compression, .argon2 = {}, .label = {}};
  if (arguments.kdf_memory > 0) {
    options.argon2.memory_kib = static_cast<std::uint32_t>(arguments.kdf_memory / kKiB);
  }
  TRY_DOING("making a repository", backend::check_is_free(url, store_world(context)));
  if (arguments.write_only) options.recovery_key_of_write_only = recovery_key;
  repo::Credential credential;
  if (arguments.suite != crypto::Suite::kPlain && !is_repository(url, context)) {
    credential = TRY(new_credential(context));
  }
  std::unique_ptr<backend::Backend> backend =
      TRY(backend::open_backend(url, backend::OpenKind::kCreate, store_world(context)));
  const std::string doing = "making a repository at " + backend->describe();
  return TRY_DOING(doing, repo::Repository::init(std::move(backend), credential, options,
                                                 {context.clock, context.rng}));
}

void print_repository(Console& console, const repo::Repository& repository,
                      const std::string& recovery_words) {
  const repo::Config& config = repository.config();
  warn_of_weakness(console, repository);
  if (console.json()) {
    json::Json line = json::line_of("initialized");
    line["id"] = config.id.hex();
    json::put_text(line, "location", repository.store().describe());
    line["encryption"] = crypto::to_string(config.suite);
    line["compression"] = repo::to_string(config.compression);
    line["write_only"] = !recovery_words.empty();
    line["append_only"] = repository.store().capabilities().append_only;
    if (!recovery_words.empty()) line["recovery_key"] = recovery_words;
    console.print_json(line);
    return;
  }
  console.print(
      fmt::format("created repository {} at {}\n", config.id.hex(), repository.store().describe()));
  const backend::Capabilities can = repository.store().capabilities();
  if (can.append_only) {
    console.print(can.lock_by_store
                      ? "it is append-only: the kernel keeps every object from being removed\n"
                      : "it is append-only: backstay removes nothing; who may write its files can "
                        "still remove them by other means\n");
  }
  if (!recovery_words.empty()) {
    console.print(recovery_words + "\n");
    console.note(
        "These words are the only key that can read, list or remove anything. They are shown this "
        "once: write them down and keep them away from this machine. What was given now opens the "
        "repository for backups alone.");
    return;
  }
  if (!console.streams().out_is_terminal || config.suite == crypto::Suite::kPlain) return;
  console.note(
      "Keep the passphrase safe: without it nothing can be read. 'backstay key recovery' makes a "
      "recovery key to keep on paper.");
}

Result<ExitCode> run_init(Context& context, const InitArguments& arguments) {
  if (arguments.write_only && arguments.suite == crypto::Suite::kPlain) {
    return fail(ErrorCode::kInvalidArgument,
                "without encryption everybody can read: --write-only makes no sense");
  }
  const crypto::Secret recovery_key = crypto::Secret::random(context.rng);
  const auto repository = TRY(make_repository(context, arguments, recovery_key));
  if (arguments.append_only) {
    TRY_DOING("making the new repository append-only ('backstay append-only on' does it, too)",
              repository->store().set_append_only(backend::AppendOnly::kOn));
  }
  know_from_now_on(context, *repository);
  print_repository(context.console, *repository,
                   arguments.write_only ? crypto::to_words(recovery_key) : "");
  return ExitCode::kDone;
}

Option encryption_option(std::optional<crypto::Suite>& suite) {
  Option option{.names = "--encryption",
                .value = "CIPHER",
                .help = "aes-256-gcm, chacha20-poly1305, auto (the faster one here) or none",
                .set = {},
                .choices = {"auto", "aes-256-gcm", "chacha20-poly1305", "none"}};
  option.set = [&suite, choices = option.choices](std::string_view text) -> Result<void> {
    suite.reset();
    if (text == "auto") return {};
    const auto parsed = crypto::parse_suite(text);
    if (!parsed) return std::unexpected(not_a_choice(text, choices));
    suite = *parsed;
    return {};
  };
  return option;
}

Option kdf_option(std::uint64_t& memory) {
  Option option =
      size("--kdf-memory", memory, "memory that trying one passphrase costs, 64MiB by default");
  option.set = [&memory](std::string_view text) -> Result<void> {
    memory = TRY(parse_byte_size(text));
    if (memory >= kKdfMemoryMin && memory <= kKdfMemoryMax) return {};
    return fail(ErrorCode::kInvalidArgument, "it must be from 8KiB to 4GiB");
  };
  return option;
}

}  // namespace

Option compression_option(std::function<void(repo::Compression)> set) {
  return {.names = "--compression",
          .value = "LEVEL",
          .help = "off, auto, or a zstd level from -7 to 22",
          .set = [set = std::move(set)](std::string_view text) -> Result<void> {
            set(TRY(repo::parse_compression(text)));
            return {};
          },
          .choices = {"off", "auto", "1", "3", "9", "19"}};
}

Command init_command() {
  const auto arguments = std::make_shared<InitArguments>();
  return {
      .name = "init",
      .summary = "Make a new repository",
      .description =
          "Makes the folder where it is missing and a new repository in it; a folder that holds "
          "anything else is refused. What is backed up "
          "is encrypted "
          "with keys that the passphrase opens: whoever has neither the passphrase nor a "
          "recovery key cannot "
          "read anything, and nobody can reset it. With --key-file (made where it is missing) or "
          "--key-command that is the first key, in place of a passphrase.",
      .examples = {{"backstay init --repo /srv/backup",
                    "A repository in a folder; the passphrase is asked for"},
                   {"backstay init -r /srv/backup --password-file /root/passphrase",
                    "The same in a script"},
                   {"backstay init -r /srv/backup --key-file /root/backstay.key --write-only",
                    "For a client that cannot read what it stores; keep the printed words"}},
      .arguments = {},
      .options = {encryption_option(arguments->suite),
                  compression_option(
                      [arguments](repo::Compression c) { arguments->compression = c; }),
                  kdf_option(arguments->kdf_memory),
                  flag("--write-only", arguments->write_only,
                       "what is given opens the repository for backups alone; a recovery key that "
                       "can read is printed once"),
                  flag("--append-only", arguments->append_only,
                       "nothing is removed from it before 'backstay append-only off'")},
      .run = [arguments](Context& context) { return run_init(context, *arguments); }};
}

}  // namespace backstay::cli
