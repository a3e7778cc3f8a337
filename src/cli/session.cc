#include "cli/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/metered_backend.h"
#include "backend/open.h"
#include "backend/read_only_backend.h"
#include "backend/throttled_backend.h"
#include "base/byte_size.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/key_source.h"
#include "cli/known_repository.h"
#include "cli/output_text.h"
#include "cli/passphrase.h"
#include "cli/place_set.h"
#include "cli/store_world.h"
#include "io/file.h"

namespace backstay::cli {
namespace {

constexpr int kAttempts = 3;

// https://bford.info/cachedir/: other backup programs leave a folder with this file alone.
constexpr std::string_view kCacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n";

std::unexpected<Error> no_repository(const std::string& place) {
  return std::unexpected(
      Error(ErrorCode::kNoRepository, fmt::format("there is no repository at {}", place))
          .with_hint("Make one with 'backstay init', or look at --repo and BACKSTAY_REPO."));
}

Error with_owner_hint(Error error) {
  if (error.code() != ErrorCode::kPermissionDenied) return error;
  return std::move(error).with_hint(
      "Run as the user that the repository belongs to, or check the permissions of its folder and "
      "of those above it.");
}

// What was asked of the store, for who wants to know more.
void tell_meters(const Context& context, const backend::Meters& meters) {
  using Seconds = std::chrono::duration<double>;
  for (std::size_t i = 0; i < meters.size(); ++i) {
    const backend::Meter& meter = meters[i];
    if (meter.calls == 0) continue;
    std::string line = fmt::format("store: {} {}", to_string(static_cast<backend::Verb>(i)),
                                   counted(meter.calls, "call"));
    if (meter.bytes > 0) line += ", " + format_byte_size(meter.bytes);
    line += fmt::format(", {:.3f} s, the longest {:.3f} s", Seconds(meter.time).count(),
                        Seconds(meter.time_max).count());
    if (meter.failures > 0) line += fmt::format(", {} failed", meter.failures);
    context.console.detail(line);
  }
}

std::unique_ptr<backend::Backend> metered(const Context& context,
                                          std::unique_ptr<backend::Backend> backend) {
  if (context.options.verbosity == 0) return backend;
  return std::make_unique<backend::MeteredBackend>(
      std::move(backend), context.clock,
      [&context](const backend::Meters& meters) { tell_meters(context, meters); });
}

std::unique_ptr<backend::Backend> guarded(const Context& context,
                                          std::unique_ptr<backend::Backend> backend) {
  if (!context.options.read_only) return backend;
  return std::make_unique<backend::ReadOnlyBackend>(std::move(backend), context.clock);
}

std::unique_ptr<backend::Backend> throttled(const Context& context,
                                            std::unique_ptr<backend::Backend> backend) {
  const backend::Rates rates{.upload = context.options.limit_upload,
                             .download = context.options.limit_download};
  if (rates.upload.never_limits() && rates.download.never_limits()) return backend;
  return std::make_unique<backend::ThrottledBackend>(
      std::move(backend), rates, context.clock, backend::sleep_unless(context.stop.get_token()));
}

Result<std::unique_ptr<backend::Backend>> open_existing(const Context& context) {
  const std::string url = TRY(repository_url(context));
  const backend::OpenKind kind =
      context.options.read_only ? backend::OpenKind::kRead : backend::OpenKind::kOpen;
  Result<std::unique_ptr<backend::Backend>> opened =
      backend::open_backend(url, kind, store_world(context));
  if (!opened && opened.error().code() == ErrorCode::kNotFound) return no_repository(url);
  if (!opened) return std::unexpected(with_owner_hint(std::move(opened).error()));
  return guarded(context, throttled(context, metered(context, *std::move(opened))));
}

// The folder for this run, made when it is missing. A cache that cannot be had is no reason to
// stop.
std::string prepared_cache(const Context& context) {
  std::string folder = cache_folder(context.options, context.environment);
  if (folder.empty()) return folder;
  if (const Result<void> made = io::make_directories(folder); !made) {
    context.console.warning("going on without a cache: " + made.error().describe());
    return {};
  }
  context.console.detail("cache in " + folder);
  const ByteView tag = as_bytes(kCacheTag);
  static_cast<void>(
      io::create_file(folder + "/CACHEDIR.TAG", {&tag, 1}, io::Durability::kUnsynced));
  return folder;
}

Result<std::unique_ptr<repo::Repository>> open_with(const Context& context,
                                                    std::unique_ptr<backend::Backend> backend,
                                                    const repo::Credential& credential) {
  const repo::OpenOptions options{.cache_directory = prepared_cache(context)};
  return repo::Repository::open(std::move(backend), credential, options,
                                {context.clock, context.rng});
}

// Only here is it known where the key came from.
Result<std::unique_ptr<repo::Repository>> with_key_hint(
    const Context& context, Result<std::unique_ptr<repo::Repository>> opened) {
  if (opened || opened.error().code() != ErrorCode::kWrongKey) return opened;
  return std::unexpected(std::move(opened).error().with_hint(
      wrong_credential_hint(context.options, context.environment)));
}

}  // namespace

Result<std::string> repository_url(const Context& context) {
  const std::string& url = context.options.repository;
  // A set that can be read was replaced by one of its places before the command began.
  if (names_set(url)) TRY(read_place_set(url));
  if (context.in_set != nullptr) TRY(check_place_secret(*context.in_set));
  if (!url.empty()) return url;
  return std::unexpected(Error(ErrorCode::kInvalidArgument, "no repository is given")
                             .with_hint("Give it with --repo or in BACKSTAY_REPO."));
}

Result<OpenStore> open_store(const Context& context) {
  std::unique_ptr<backend::Backend> backend = TRY(open_existing(context));
  const std::string place = backend->describe();
  Result<Bytes> stored = backend->get("config", repo::kPlainObjectMax);
  if (!stored && stored.error().code() == ErrorCode::kNotFound) return no_repository(place);
  if (!stored) stored = std::unexpected(with_owner_hint(std::move(stored).error()));
  const Bytes config = TRY_DOING("opening the repository at " + place, std::move(stored));
  return OpenStore{std::move(backend),
                   TRY_DOING("reading the object config of " + place, repo::decode_config(config))};
}

Result<std::unique_ptr<backend::Backend>> open_bare_store(const Context& context) {
  return open_existing(context);
}

Result<std::unique_ptr<backend::Backend>> open_unread_store(const Context& context) {
  std::unique_ptr<backend::Backend> backend = TRY(open_existing(context));
  const Result<backend::ObjectInfo> config = backend->head("config");
  if (!config && config.error().code() == ErrorCode::kNotFound) {
    return no_repository(backend->describe());
  }
  return backend;
}

static bool is_encrypted(const repo::Config& config) {
  return config.suite != crypto::Suite::kPlain;
}

// Refuses, or tells, when it is not what was known.
static Result<void> compare_with_known(const Context& context, const std::string& place,
                                       const KnownRepository& now, WhenChanged when_changed) {
  const auto known = read_known(cache_folder(context.options, context.environment), place);
  if (!known || context.options.accept_changed) return {};
  std::optional<Error> differs = difference(*known, now);
  if (!differs) return {};
  if (when_changed == WhenChanged::kRefuse)
    return std::unexpected(std::move(*differs).with_context("opening the repository at " + place));
  context.console.warning(fmt::format("{}: {}", place, differs->describe()), differs->hint());
  return {};
}

Result<void> refuse_changed(const Context& context, const repo::Repository& repository) {
  const repo::Config& config = repository.config();
  return compare_with_known(context, repository.store().describe(),
                            known_with(config.id, is_encrypted(config), repository.keyring()),
                            WhenChanged::kRefuse);
}

void know_from_now_on(const Context& context, const repo::Repository& repository) {
  const repo::Config& config = repository.config();
  const auto kept =
      keep_known(cache_folder(context.options, context.environment), repository.store().describe(),
                 known_with(config.id, is_encrypted(config), repository.keyring()));
  if (!kept)
    context.console.detail("what is known of the repository is not kept: " +
                           kept.error().describe());
}

static Result<std::unique_ptr<repo::Repository>> open_with_any_key(
    const Context& context, WhenChanged when_changed, const GivenCredential* read_before) {
  OpenStore store = TRY(open_store(context));
  const std::string place = store.backend->describe();
  // Before a passphrase is asked for.
  TRY(compare_with_known(context, place,
                         {.id = store.config.id, .encrypted = is_encrypted(store.config)},
                         when_changed));
  const std::string doing = "opening the repository at " + place;
  context.console.detail(fmt::format("repository {} at {}, {}", store.config.id.hex(), place,
                                     crypto::to_string(store.config.suite)));
  if (store.config.suite == crypto::Suite::kPlain) {
    // Whoever has the store may have exchanged an encrypted repository for this one.
    if (key_is_given(context.options, context.environment)) {
      context.console.warning(
          "a key is given, and the repository is not encrypted: what is stored in it can be read "
          "by everybody");
    }
    return TRY_DOING(doing, open_with(context, std::move(store.backend), {}));
  }
  const auto stop = context.stop.get_token();
  GivenCredential read_now;
  if (read_before == nullptr)
    read_now = TRY(given_credential(context.options, context.environment, stop));
  if (const GivenCredential& given = read_before != nullptr ? *read_before : read_now) {
    Result<std::unique_ptr<repo::Repository>> opened =
        open_with(context, std::move(store.backend), *given);
    return TRY_DOING(doing, with_key_hint(context, std::move(opened)));
  }
  for (int attempt = 1;; ++attempt) {
    const repo::Credential typed = TRY(ask_credential(place, stop));
    Result<std::unique_ptr<repo::Repository>> opened =
        open_with(context, std::move(store.backend), typed);
    if (opened || opened.error().code() != ErrorCode::kWrongKey || attempt == kAttempts) {
      return TRY_DOING(doing, with_key_hint(context, std::move(opened)));
    }
    context.console.warning("no key slot opens with that, try again");
    store.backend = TRY(open_existing(context));
  }
}

// What is as it was known, or new, or accepted, is known from now on.
static Result<void> learn(const Context& context, const repo::Repository& repository,
                          WhenChanged when_changed) {
  const std::string place = repository.store().describe();
  const repo::Config& config = repository.config();
  const KnownRepository now = known_with(config.id, is_encrypted(config), repository.keyring());
  const auto known = read_known(cache_folder(context.options, context.environment), place);
  const bool accepted = !known || context.options.accept_changed || !difference(*known, now);
  if (accepted) {
    know_from_now_on(context, repository);
    return {};
  }
  // That it is another repository was told before it was opened.
  if (known->id != now.id) return {};
  return compare_with_known(context, place, now, when_changed);
}

static void warn_of_unusable_slots(const Context& context, const repo::Repository& repository) {
  constexpr std::size_t kSlotsNamedMax = 5;
  const auto& slots = repository.unusable_key_slots();
  if (slots.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(slots.size(), kSlotsNamedMax); ++i)
    names += (i == 0 ? "" : ", ") + slots[i].short_hex();
  if (slots.size() > kSlotsNamedMax) names += ", ...";
  context.console.warning(
      fmt::format("{} of the repository {} not open it: {}", counted(slots.size(), "key slot"),
                  slots.size() == 1 ? "does" : "do", names),
      "Left behind when the keys were changed, or put there by somebody without a key: see "
      "'backstay key list', then 'backstay key remove'.");
}

Result<std::unique_ptr<repo::Repository>> open_repository(const Context& context, KeyUse use,
                                                          WhenChanged when_changed,
                                                          const GivenCredential* read_before) {
  auto repository = TRY(open_with_any_key(context, when_changed, read_before));
  TRY(learn(context, *repository, when_changed));
  if (const auto& trouble = repository->generation_trouble()) {
    context.console.warning(trouble->describe() +
                            ": restores go on, but nothing can be written or freed");
  }
  warn_of_unusable_slots(context, *repository);
  if (use == KeyUse::kWriting || !repository->keyring().is_write_only()) return repository;
  return std::unexpected(
      Error(ErrorCode::kWrongKey,
            "the key is write-only: it can back up, and cannot read, list or remove anything")
          .with_hint("This needs a full key, such as the recovery key: 'backstay key list' shows "
                     "which there are. 'backstay check --no-key' needs none."));
}

Result<GivenCredential> read_given_credential(const Context& context) {
  return given_credential(context.options, context.environment, context.stop.get_token());
}

Result<repo::Credential> new_credential(const Context& context) {
  const auto stop = context.stop.get_token();
  // A key file may be named before there is one.
  if (const auto file = given_key_file(context.options, context.environment))
    TRY(read_or_make_key_file(*file, context.rng, stop));
  if (auto given = TRY(given_credential(context.options, context.environment, stop))) {
    return std::move(*given);
  }
  return ask_new_passphrase("new passphrase", kHowToGivePassphrase, stop);
}

std::string cache_folder(const GlobalOptions& options, const Environment& environment) {
  if (options.no_cache) return {};
  if (!options.cache_directory.empty()) return options.cache_directory;
  if (const auto base = environment.get("XDG_CACHE_HOME"); base && base->starts_with('/')) {
    return *base + "/backstay";
  }
  if (const auto home = environment.get("HOME"); home && home->starts_with('/')) {
    return *home + "/.cache/backstay";
  }
  return {};
}

Result<SnapshotList> list_snapshots(const Context& context, repo::Repository& repository) {
  SnapshotList list;
  list.snapshots = TRY_DOING(
      "listing snapshots",
      repository.snapshots([&](const snapshot::SnapshotId& id, const Error& error) {
        list.damaged.push_back({.id = id, .what = error.describe()});
        context.console.warning(fmt::format("snapshot {}: {}", id.short_hex(), error.describe()));
      }));
  for (const repo::StoredSnapshot& stored : list.snapshots) {
    if (stored.tags_known) continue;
    context.console.warning(
        fmt::format("snapshot {}: a change of its tags cannot be read", stored.id.short_hex()));
  }
  return list;
}

void note_uncounted(const Context& context, const repo::Repository& repository) {
  for (const snapshot::SnapshotId& id : repository.uncounted_snapshots()) {
    context.console.note(fmt::format(
        "snapshot {} does not count: its backup had been given up for dead before it was "
        "confirmed; the next prune removes it",
        id.short_hex()));
  }
}

Result<std::size_t> load_index(const Context& context, repo::Repository& repository) {
  std::size_t damaged = 0;
  repository.recover_when_needed([&context](const repo::RecoveredPacks& recovered) {
    context.console.warning(fmt::format(
        "the index is incomplete: {} more packs were found by their own directories; the next "
        "backup mends the index",
        recovered.packs.size()));
  });
  TRY_DOING(
      "loading the index", repository.load_index([&](const repo::ObjectId& id, const Error& error) {
        ++damaged;
        context.console.warning(fmt::format("index run {}: {}", id.short_hex(), error.describe()));
      }));
  return damaged;
}

engine::ForgetWait fence_wait(const Context& context) {
  engine::ForgetWait wait;
  wait.stop = context.stop.get_token();
  wait.note = [&context](const std::string& message) { context.console.note(message); };
  return wait;
}

}  // namespace backstay::cli
