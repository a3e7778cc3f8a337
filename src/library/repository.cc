#include <fmt/format.h>

#include <cstdlib>

#include "backend/open.h"
#include "backend/placement.h"
#include "base/try.h"
#include "engine/backup.h"
#include "engine/check.h"
#include "engine/forget.h"
#include "engine/parity.h"
#include "engine/prune.h"
#include "engine/select.h"
#include "io/file.h"
#include "io/machine.h"
#include "library/opened.h"
#include "snapshot/clean_paths.h"
#include "snapshot/tree_key.h"
#include "source/file_source.h"

namespace backstay {
namespace {

constexpr std::uint64_t kSecretBytesMax = 64 * 1024;

std::optional<std::string> variable_of(const Access& access, std::string_view name) {
  if (access.variable) return access.variable(name);
  const char* const value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::optional<std::string>() : std::string(value);
}

// No command is run for a secret: a program that embeds this has its own ways.
Result<std::optional<std::string>> secret_of(const Access& access, std::string_view name) {
  if (auto text = variable_of(access, name)) return text;
  const auto file = variable_of(access, std::string(name) + "_FILE");
  if (!file) return std::optional<std::string>();
  const Bytes bytes =
      TRY_DOING("reading the secret in " + *file, io::read_file(*file, kSecretBytesMax));
  std::string text(bytes.begin(), bytes.end());
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

backend::StoreWorld world_of(Repository::State& state) {
  const Access& access = state.access;
  return {.clock = state.clock,
          .rng = state.rng,
          .stop = access.stop,
          .variable = [&access](std::string_view name) { return variable_of(access, name); },
          .secret = [&access](std::string_view name) { return secret_of(access, name); },
          .note_retry =
              [&state](const Error& error, std::chrono::nanoseconds pause) {
                const std::chrono::duration<double> seconds = pause;
                state.say(
                    fmt::format("{}; trying again in {:.1f} s", error.describe(), seconds.count()));
              },
          .note = [&state](const std::string& line) { state.say(line); }};
}

repo::Credential credential_of(const Access& access) {
  repo::Credential credential;
  if (!access.passphrase.empty()) credential.passphrase = access.passphrase;
  return credential;
}

std::optional<crypto::Suite> suite_of(Encryption encryption) {
  switch (encryption) {
    case Encryption::kFasterHere:
      return {};
    case Encryption::kAes256Gcm:
      return crypto::Suite::kAes256Gcm;
    case Encryption::kChaCha20Poly1305:
      return crypto::Suite::kChaCha20Poly1305;
    case Encryption::kNone:
      return crypto::Suite::kPlain;
  }
  return {};
}

snapshot::BackupType type_of(BackupKind kind) {
  switch (kind) {
    case BackupKind::kIncremental:
      return snapshot::BackupType::kIncremental;
    case BackupKind::kFull:
      return snapshot::BackupType::kFull;
    case BackupKind::kDifferential:
      return snapshot::BackupType::kDifferential;
  }
  return snapshot::BackupType::kIncremental;
}

Result<source::FileSourceOptions> source_of(const BackupRequest& request) {
  source::FileSourceOptions source;
  if (request.paths.empty())
    return fail(ErrorCode::kInvalidArgument, "a backup needs at least one path");
  source.paths = snapshot::clean_paths(request.paths, TRY(io::current_directory()));
  for (const std::string& pattern : request.excludes)
    TRY(source.excludes.add(pattern, snapshot::Case::kSensitive));
  source.exclude_caches = request.exclude_caches;
  source.one_file_system = request.one_file_system;
  return source;
}

engine::BackupOptions options_of(const BackupRequest& request,
                                 const source::FileSourceOptions& source) {
  engine::BackupOptions options;
  options.type = type_of(request.kind);
  options.paths = source.paths;
  options.tags = request.tags;
  options.host = request.host.empty() ? io::hostname() : request.host;
  options.user = io::user_name();
  options.description = request.description;
  options.excludes = request.excludes;
  options.places_left_out = source.never;
  options.skip_if_unchanged = request.skip_if_unchanged;
  options.threads = request.threads;
  options.memory_limit = request.memory_limit;
  return options;
}

Result<void> require_full_key(const repo::Repository& repository) {
  if (!repository.keyring().is_write_only()) return {};
  return fail(ErrorCode::kWrongKey,
              "the passphrase is of a write-only key: it can back up, and cannot read, list or "
              "remove anything");
}

// What was stored stands whether this succeeds or not.
void keep_parity(const Repository::State& state, engine::Activity& activity) {
  engine::ParityOptions options;
  options.author = {.host = io::hostname(), .user = io::user_name()};
  const auto kept = engine::keep_parity(engine::parity_place(*state.repository), options, activity);
  if (!kept) state.say("what was stored is not covered by parity yet: " + kept.error().describe());
}

}  // namespace

std::vector<std::string> library::own_folders(const Access& access,
                                              const repo::Repository& repository) {
  std::vector<std::string> own = backend::placement::folders_behind(repository.store().describe());
  if (!access.cache_directory.empty()) own.push_back(access.cache_directory);
  const std::string current = io::current_directory().value_or("/");
  for (std::string& folder : own) folder = snapshot::clean_path(folder, current);
  return own;
}

Repository::Repository(std::unique_ptr<State> state) : state_(std::move(state)) {}
Repository::Repository(Repository&&) noexcept = default;
Repository& Repository::operator=(Repository&&) noexcept = default;
Repository::~Repository() = default;

Result<Repository> Repository::init(const Access& access, const NewRepository& wanted) {
  auto state = std::make_unique<State>();
  state->access = access;
  repo::InitOptions options{.suite = suite_of(wanted.encryption),
                            .compression = TRY(repo::parse_compression(wanted.compression)),
                            .argon2 = {},
                            .label = {}};
  const bool plain = wanted.encryption == Encryption::kNone;
  if (plain != access.passphrase.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                plain ? "a repository without encryption takes no passphrase"
                      : "a passphrase is needed, or Encryption::kNone");
  }
  const backend::StoreWorld world = world_of(*state);
  TRY_DOING("making a repository", backend::check_is_free(access.url, world));
  auto store = TRY(backend::open_backend(access.url, backend::OpenKind::kCreate, world));
  const std::string doing = "making a repository at " + store->describe();
  state->repository =
      TRY_DOING(doing, repo::Repository::init(std::move(store), credential_of(access), options,
                                              {state->clock, state->rng}));
  return Repository(std::move(state));
}

Result<Repository> Repository::open(const Access& access) {
  auto state = std::make_unique<State>();
  state->access = access;
  auto store = backend::open_backend(access.url, backend::OpenKind::kOpen, world_of(*state));
  if (!store && store.error().code() == ErrorCode::kNotFound)
    return fail(ErrorCode::kNoRepository, "there is no repository at " + access.url);
  if (!store) return std::unexpected(std::move(store).error());
  if (!access.cache_directory.empty()) TRY(io::make_directories(access.cache_directory));
  const std::string doing = "opening the repository at " + (*store)->describe();
  state->repository =
      TRY_DOING(doing, repo::Repository::open(*std::move(store), credential_of(access),
                                              {.cache_directory = access.cache_directory},
                                              {state->clock, state->rng}));
  // Whoever has the store may have exchanged an encrypted repository for this one.
  const bool plain = state->repository->config().suite == crypto::Suite::kPlain;
  if (plain && !access.passphrase.empty()) {
    return std::unexpected(
        Error(ErrorCode::kWrongKey,
              "a passphrase is given, and the repository at " + access.url + " is not encrypted")
            .with_hint("Leave the passphrase out if that is as it should be."));
  }
  return Repository(std::move(state));
}

Result<BackupResult> Repository::back_up(const BackupRequest& request, const Watch& watch) {
  repo::Repository& repository = *state_->repository;
  source::FileSourceOptions source = TRY(source_of(request));
  source.never = library::own_folders(state_->access, repository);
  const engine::BackupOptions options = options_of(request, source);
  library::Watched watched(state_->access, watch);
  const engine::BackupReport report = TRY(engine::backup(
      repository,
      [&source](source::SourceHooks hooks) {
        return source::open_file_source(source, std::move(hooks.report));
      },
      options, watched.activity()));
  if (report.id) keep_parity(*state_, watched.activity());
  const snapshot::SnapshotStats& stats = report.snapshot.stats;
  BackupResult result{.snapshot = {},
                      .files_new = stats.files_new,
                      .files_changed = stats.files_changed,
                      .files_unmodified = stats.files_unmodified,
                      .files_deleted = stats.files_deleted,
                      .bytes_read = stats.bytes_read,
                      .errors = stats.errors};
  if (report.id)
    result.snapshot = library::told_snapshot({.id = *report.id, .snapshot = report.snapshot});
  return result;
}

Result<std::vector<Snapshot>> Repository::snapshots() {
  TRY(require_full_key(*state_->repository));
  std::vector<Snapshot> told;
  for (const repo::StoredSnapshot& stored :
       TRY(library::snapshots_of(state_->access, *state_->repository)))
    told.push_back(library::told_snapshot(stored));
  return told;
}

Result<View> Repository::view(std::string_view which) {
  repo::Repository& repository = *state_->repository;
  TRY(require_full_key(repository));
  auto all = TRY(library::snapshots_of(state_->access, repository));
  repo::StoredSnapshot stored = TRY(engine::select_snapshot(all, {}, which, state_->clock.now()));
  repository.recover_when_needed([this](const repo::RecoveredPacks& found) {
    state_->say(
        fmt::format("the index is incomplete: {} more packs were found by their own "
                    "directories; the next backup mends the index",
                    found.packs.size()));
  });
  TRY(repository.load_index([this](const repo::ObjectId& id, const Error& error) {
    state_->say("index run " + id.short_hex() + ": " + error.describe());
  }));
  Snapshot told = library::told_snapshot(stored);
  return View(
      std::unique_ptr<View::State>(new View::State{*state_, std::move(stored), std::move(told)}));
}

Result<void> Repository::forget(const std::vector<std::string>& ids) {
  TRY(require_full_key(*state_->repository));
  engine::ForgetOptions options;
  for (const std::string& id : ids) {
    const auto parsed = snapshot::SnapshotId::from_hex(id);
    if (!parsed) return fail(ErrorCode::kInvalidArgument, id + " is no id of a snapshot");
    options.named.push_back(*parsed);
  }
  if (ids.empty()) return {};
  options.host = io::hostname();
  options.user = io::user_name();
  const Watch nobody;
  library::Watched watched(state_->access, nobody);
  TRY(engine::forget(*state_->repository, options, {}, watched.activity()));
  return {};
}

Result<PruneResult> Repository::prune(const Watch& watch) {
  TRY(require_full_key(*state_->repository));
  library::Watched watched(state_->access, watch);
  const engine::PruneReport report =
      TRY(engine::prune(*state_->repository, {}, watched.activity()));
  return PruneResult{.bytes_freed = report.bytes_freed, .bytes_waiting = report.bytes_waiting};
}

Result<CheckResult> Repository::check(CheckDepth depth, const Watch& watch) {
  TRY(require_full_key(*state_->repository));
  library::Watched watched(state_->access, watch);
  engine::CheckOptions options;
  if (depth == CheckDepth::kEveryByte) options.read_data.mode = engine::ReadData::Mode::kAll;
  const engine::CheckReport report =
      TRY(engine::check(*state_->repository, options, watched.activity()));
  CheckResult result{.snapshots = report.snapshots,
                     .packs = report.packs,
                     .bytes_read = report.bytes_read,
                     .damages = {}};
  for (const engine::Damage& damage : report.damages)
    result.damages.push_back({.object = damage.object, .what = damage.what, .next = damage.next});
  return result;
}

std::string_view library_version() {
  return BACKSTAY_VERSION;
}

}  // namespace backstay
