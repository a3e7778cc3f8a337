#include "cli/stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backend/bounded_backend.h"
#include "backend/local_backend.h"
#include "backend/open.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/output_text.h"
#include "cli/passphrase.h"
#include "cli/stage_output.h"
#include "cli/store_world.h"
#include "engine/copy.h"
#include "io/machine.h"
#include "io/node.h"
#include "json/json.h"
#include "repo/remote_knowledge.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

// A stage must not be what fills the disk.
constexpr std::uint64_t kReserveBytes = 512 * kMiB;
constexpr std::uint64_t kRemoteFileMax = 64 * kKiB;

// Where there is a stage to go to, nobody waits as long as where there is none.
constexpr backend::RetryPolicy kAskShortly{.attempts_max = 5,
                                           .time_max = std::chrono::milliseconds(20'000)};

bool is_folder_of_this_machine(std::string_view url) {
  const std::string_view scheme = backend::scheme_of(url);
  return scheme.empty() || scheme == "file";
}

// The same place by the same text, wherever the command is run.
Result<std::string> remote_url(const Context& context) {
  std::string url = TRY(repository_url(context));
  if (!backend::scheme_of(url).empty()) return url;
  return snapshot::clean_path(url, TRY(io::current_directory()));
}

}  // namespace

void append_stage_options(std::vector<Option>& options, StageOptions& to) {
  options.push_back(
      place("--stage", "DIR", to.folder,
            "keep the backup in DIR while the repository is away, and send it later"));
  options.push_back(size("--stage-limit", to.limit_bytes,
                         "the most that may wait in the stage (default: 10GiB)"));
}

Stage::Stage(const Context& context, StageOptions options)
    : context_(context), options_(std::move(options)) {}

bool Stage::is_prepared() const {
  return io::file_info(folder() + "/known/config").has_value() &&
         io::file_info(folder() + "/staged/config").has_value();
}

Result<void> Stage::require_prepared() const {
  if (is_prepared()) return {};
  return std::unexpected(
      Error(ErrorCode::kNotFound, fmt::format("{} is no stage", folder()))
          .with_hint("A backup with --stage makes one while its repository is there."));
}

std::string Stage::remote() const {
  const auto stored = io::read_file(folder() + "/remote", kRemoteFileMax);
  return stored ? std::string(as_text(*stored)) : std::string();
}

Result<void> Stage::require_remote() const {
  const std::string url = TRY(remote_url(context_));
  const std::string known = remote();
  if (known.empty() || known == url) return {};
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("the stage in {} is of {}, and not of {}", folder(), known, url))
          .with_hint("Give each repository a stage of its own, and write its URL as before."));
}

Result<std::optional<io::Fd>> Stage::try_lock(io::FileLock lock) const {
  TRY(io::make_directories(folder()));
  const io::Fd place = TRY(io::open_folder_path(folder()));
  auto file = io::create_regular_at(place.get(), "lock", 0600);
  if (!file && file.error().code() == ErrorCode::kAlreadyExists)
    file = io::open_for_change_at(place.get(), "lock");
  io::Fd held = TRY_DOING("locking the stage in " + folder(), std::move(file));
  if (!TRY(io::try_lock(held.get(), lock))) return std::nullopt;
  return held;
}

// The URL comes first: what is learnt without it could be taken for that of any repository.
Result<void> Stage::learn(backend::Backend& remote) const {
  const std::string url = TRY(remote_url(context_));
  const auto known = TRY(backend::LocalBackend::create(folder() + "/known"));
  if (this->remote() != url)
    TRY(io::replace_file(folder() + "/remote", as_bytes(std::string_view(url))));
  TRY(learn_keys(remote));
  return repo::keep_knowledge(remote, *known);
}

Result<void> Stage::learn_keys(backend::Backend& remote) const {
  const auto staged = TRY(backend::LocalBackend::create(folder() + "/staged"));
  return repo::keep_keys(remote, *staged);
}

Result<std::unique_ptr<repo::Repository>> Stage::open(std::unique_ptr<backend::Backend> backend,
                                                      const GivenCredential& given,
                                                      const repo::OpenOptions& options) const {
  const Bytes stored = TRY(repo::get_object(*backend, "config", repo::kPlainObjectMax));
  const bool plain = TRY(repo::decode_config(stored)).suite == crypto::Suite::kPlain;
  const repo::Credential credential = plain || !given ? repo::Credential() : *given;
  auto opened = repo::Repository::open(std::move(backend), credential, options,
                                       {context_.clock, context_.rng});
  if (!opened && opened.error().code() == ErrorCode::kWrongKey) {
    return std::unexpected(std::move(opened).error().with_hint(
        wrong_credential_hint(context_.options, context_.environment)));
  }
  return opened;
}

Result<GivenCredential> Stage::key_or_ask(const GivenCredential& given) const {
  if (given) return given;
  const Bytes stored = TRY(io::read_file(folder() + "/known/config", repo::kPlainObjectMax));
  if (TRY(repo::decode_config(stored)).suite == crypto::Suite::kPlain) return given;
  return GivenCredential(TRY(ask_credential(folder(), context_.stop.get_token())));
}

// Shares the cache with the repository, because it has the same runs.
Result<std::unique_ptr<repo::Repository>> Stage::open_known(const GivenCredential& given) const {
  auto backend = TRY(backend::LocalBackend::open(folder() + "/known"));
  return open(std::move(backend), given,
              {.cache_directory = cache_folder(context_.options, context_.environment)});
}

// Without a cache: the one of the repository would be emptied of its runs, and there are few here.
Result<std::unique_ptr<repo::Repository>> Stage::open_staged(const GivenCredential& given,
                                                             Bounds bounds) const {
  std::unique_ptr<backend::Backend> backend =
      TRY(backend::LocalBackend::open(folder() + "/staged"));
  if (bounds == Bounds::kBounded) {
    backend = TRY(backend::BoundedBackend::open(
        std::move(backend), {.bytes_max = options_.limit_bytes,
                             .reserve_bytes = kReserveBytes,
                             .free_bytes = [place = folder()] { return io::free_bytes(place); }}));
  }
  return open(std::move(backend), given, {});
}

Result<WaitingInStage> Stage::waiting() const {
  WaitingInStage waiting;
  if (!io::file_info(folder() + "/staged")) return waiting;
  const auto staged = TRY(
      backend::LocalBackend::open(folder() + "/staged", backend::LocalBackend::Leftovers::kStay));
  TRY(staged->list("", [&](const backend::ObjectInfo& info) -> Result<void> {
    if (repo::is_object_name(repo::ObjectKind::kSnapshot, info.name)) {
      ++waiting.snapshots;
      waiting.since = std::min(waiting.since.value_or(info.modified), info.modified);
    }
    const bool is_kept = info.name != "config" && !info.name.starts_with("keys/");
    if (is_kept) waiting.bytes += info.size_bytes;
    return {};
  }));
  return waiting;
}

std::optional<Error> find_away(const Context& context, const Stage& stage) {
  const auto url = repository_url(context);
  if (!url) return std::nullopt;
  backend::StoreWorld world = store_world(context);
  world.retries = kAskShortly;
  auto asked = [&]() -> Result<void> {
    const auto store = TRY(backend::open_backend(*url, backend::OpenKind::kRead, world));
    TRY(store->head("config"));
    return {};
  }();
  if (asked) return std::nullopt;
  const bool no_folder = asked.error().code() == ErrorCode::kNotFound &&
                         is_folder_of_this_machine(*url) && stage.is_prepared();
  if (no_folder)
    return Error(ErrorCode::kUnavailable, fmt::format("there is no repository at {} now", *url));
  if (asked.error().code() != ErrorCode::kUnavailable) return std::nullopt;
  return std::move(asked).error();
}

Result<std::optional<engine::SendReport>> send_stage(Context& context, const Stage& stage,
                                                     repo::Repository& remote,
                                                     const GivenCredential& given_key) {
  if (!stage.is_prepared()) return engine::SendReport{};
  const auto lock = TRY(stage.try_lock(io::FileLock::kExclusive));
  if (!lock) return std::nullopt;
  const WaitingInStage waiting = TRY(stage.waiting());
  if (waiting.snapshots == 0 && waiting.bytes == 0) return engine::SendReport{};
  const GivenCredential given = TRY(stage.key_or_ask(given_key));
  // The key that is given opens the repository as it is now: passphrases may have changed since.
  TRY(stage.learn_keys(remote.store()));
  const auto staged = TRY(stage.open_staged(given, Stage::Bounds::kUnbounded));
  engine::SendReport report;
  if (waiting.snapshots > 0) {
    engine::SendOptions options;
    options.host = io::hostname();
    options.user = io::user_name();
    options.threads = context.options.threads;
    options.memory_limit = context.options.memory_limit;
    Running running(context);
    report =
        TRY(engine::send_staged(*staged, remote, options, running.activity(),
                                [&](const engine::SentSnapshot& one) { tell_sent(context, one); }));
    running.finish();
  }
  TRY_DOING("freeing the stage in " + stage.folder(), engine::free_stage(*staged));
  return report;
}

std::string_view to_string(Durable durable) {
  return durable == Durable::kRemote ? "remote" : "stage";
}

Durable PlacedSnapshots::durable_of(const snapshot::SnapshotId& id) const {
  return std::ranges::find(staged, id) == staged.end() ? Durable::kRemote : Durable::kStage;
}

Result<PlacedSnapshots> with_staged(const Context& context, const Stage& stage,
                                    std::vector<repo::StoredSnapshot> snapshots,
                                    const GivenCredential& given) {
  PlacedSnapshots all{.snapshots = std::move(snapshots), .staged = {}};
  if (!stage.is_prepared() || TRY(stage.waiting()).snapshots == 0) return all;
  const auto staged =
      TRY(stage.open_staged(TRY(stage.key_or_ask(given)), Stage::Bounds::kUnbounded));
  SnapshotList list = TRY(list_snapshots(context, *staged));
  for (repo::StoredSnapshot& one : list.snapshots) {
    const std::string origin = engine::origin_of(staged->config().id, one);
    const bool sent = std::ranges::any_of(all.snapshots, [&](const repo::StoredSnapshot& other) {
      return other.snapshot.origin == origin;
    });
    if (sent) continue;
    all.staged.push_back(one.id);
    all.snapshots.push_back(std::move(one));
  }
  repo::sort_oldest_first(all.snapshots);
  return all;
}

}  // namespace backstay::cli
