#include "scale/steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "backend/local_backend.h"
#include "base/try.h"
#include "crypto/random.h"
#include "engine/backup.h"
#include "engine/check.h"
#include "engine/prune.h"
#include "engine/restore.h"
#include "io/file.h"
#include "scale/hollow_backend.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::bench {
namespace {

constexpr std::size_t kPieceBytes = 1024 * 1024;

// Everything that a step needs, in the order in which it may be taken down.
struct Bench {
  explicit Bench(const ScaleOptions& given) : options(given) {}

  const ScaleOptions& options;
  SystemClock clock;
  crypto::SystemRng rng;
  std::unique_ptr<backend::LocalBackend> local;
  std::unique_ptr<repo::Repository> repository;
  engine::Progress progress;
  Mutex mutex;
  std::optional<Error> trouble GUARDED_BY(mutex);

  engine::Activity activity() {
    return {.progress = progress,
            .stop = {},
            .report =
                [this](const std::string& path, const Error& error) {
                  const MutexLock lock(mutex);
                  if (!trouble) trouble = Error(error.code(), path + ": " + error.describe());
                },
            .note = [](const std::string& message) { fmt::print(stderr, "{}\n", message); }};
  }
  Result<void> without_trouble() {
    const MutexLock lock(mutex);
    if (trouble) return std::unexpected(trouble->clone());
    return {};
  }
};

Result<void> open(Bench& bench) {
  const ScaleOptions& options = bench.options;
  const repo::Credential credential{.passphrase = "simulated", .recovery_key = {}};
  const repo::World world{bench.clock, bench.rng};
  bench.local = TRY(backend::LocalBackend::create(options.repository));
  auto store =
      std::make_unique<HollowBackend>(*bench.local, options.repository, options.kept_data_bytes);
  if (options.step == "first") {
    // Key derivation is no part of what is measured.
    const repo::InitOptions init{
        .suite = {}, .compression = {}, .argon2 = {.memory_kib = 8, .passes = 1}, .label = {}};
    TRY(repo::Repository::init(std::move(store), credential, init, world));
    store =
        std::make_unique<HollowBackend>(*bench.local, options.repository, options.kept_data_bytes);
  }
  if (!options.cache.empty()) TRY(io::make_directories(options.cache));
  bench.repository = TRY(repo::Repository::open(std::move(store), credential,
                                                {.cache_directory = options.cache}, world));
  return {};
}

Result<ScaleResult> back_up(Bench& bench) {
  const SimulatedBytes bytes(bench.options.corpus.texture);
  engine::BackupOptions options;
  options.paths = {std::string(kTopFolder)};
  options.host = "simulated";
  options.user = "nobody";
  options.memory_limit = bench.options.memory_limit;
  auto activity = bench.activity();
  const engine::OpenSource open_source = [&](const source::SourceHooks&) {
    return Result<std::unique_ptr<source::Source>>(
        open_simulated_source(bench.options.corpus, bytes));
  };
  const auto report = TRY(engine::backup(*bench.repository, open_source, options, activity));
  TRY(bench.without_trouble());
  const snapshot::SnapshotStats& stats = report.snapshot.stats;
  return ScaleResult{.entries = stats.files_total + stats.dirs_total, .bytes = stats.bytes_read};
}

Result<ScaleResult> check(Bench& bench) {
  auto activity = bench.activity();
  const auto report = TRY(engine::check(*bench.repository, {}, activity));
  TRY(bench.without_trouble());
  if (!report.damages.empty()) {
    const engine::Damage& damage = report.damages.front();
    return fail(ErrorCode::kCorruption, damage.object + ": " + damage.what);
  }
  return ScaleResult{.entries = report.chunks, .bytes = 0};
}

Result<ScaleResult> prune(Bench& bench) {
  auto snapshots = TRY(bench.repository->snapshots([](const auto&, const Error&) {}));
  if (snapshots.empty()) return fail(ErrorCode::kNotFound, "the repository has no snapshot");
  snapshots.pop_back();
  engine::PruneOptions options;
  options.dry_run = bench.options.step == "plan";
  for (const repo::StoredSnapshot& stored : snapshots) {
    options.without.insert(stored.id);
    if (options.dry_run) continue;
    TRY(bench.local->remove(
        repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{stored.id.bytes})));
  }
  auto activity = bench.activity();
  const auto report = TRY(engine::prune(*bench.repository, options, activity));
  TRY(bench.without_trouble());
  if (report.chunks_missing > 0) return fail(ErrorCode::kCorruption, "chunks are missing");
  return ScaleResult{.entries = report.chunks, .bytes = report.bytes_freed};
}

Result<snapshot::Snapshot> last_snapshot(Bench& bench) {
  auto snapshots = TRY(bench.repository->snapshots([](const auto&, const Error&) {}));
  if (snapshots.empty()) return fail(ErrorCode::kNotFound, "the repository has no snapshot");
  TRY(bench.repository->load_index([](const auto&, const Error&) {}));
  return std::move(snapshots.back().snapshot);
}

Result<ScaleResult> list(Bench& bench) {
  const snapshot::Snapshot snapshot = TRY(last_snapshot(bench));
  ScaleResult result;
  snapshot::TreeCursor cursor(*bench.repository, snapshot.tree);
  while (const auto item = TRY(cursor.next())) {
    ++result.entries;
    result.bytes += item->entry.size_bytes;
  }
  return result;
}

std::string some_file(const ScaleOptions& options) {
  return options.file != 0 ? path_of_entry(options.corpus, options.file)
                           : middle_file(options.corpus);
}

Result<ScaleResult> list_folder(Bench& bench) {
  const snapshot::Snapshot snapshot = TRY(last_snapshot(bench));
  const std::string file = snapshot::key_from_path(some_file(bench.options));
  ScaleResult result;
  TRY(snapshot::list_folder(*bench.repository, snapshot.tree, snapshot::parent_of_key(file),
                            [&](const snapshot::TreeItem&) -> Result<void> {
                              ++result.entries;
                              return {};
                            }));
  return result;
}

// What comes out of the repository, against what went in.
class Comparison {
 public:
  Comparison(const SimulatedBytes& bytes, std::uint64_t file) : bytes_(bytes), file_(file) {}
  Result<void> take(ByteView piece) {
    expected_.resize(piece.size());
    bytes_.fill(file_, at_, expected_);
    if (!same_bytes(piece, expected_))
      return fail(ErrorCode::kCorruption, fmt::format("wrong bytes after byte {}", at_));
    at_ += piece.size();
    return {};
  }
  Result<ScaleResult> finish(std::uint64_t size) const {
    if (at_ != size) return fail(ErrorCode::kCorruption, fmt::format("{} of {} bytes", at_, size));
    return ScaleResult{.entries = 1, .bytes = at_};
  }

 private:
  const SimulatedBytes& bytes_;
  const std::uint64_t file_;
  std::uint64_t at_ = 0;
  Bytes expected_;
};

Result<void> compare_file(const std::string& path, Comparison& comparison) {
  const io::Fd file = TRY(io::open_file(path, io::OpenMode::kRead));
  Bytes piece(kPieceBytes);
  while (const std::size_t got = TRY(io::read_full(file.get(), piece))) {
    TRY(comparison.take(ByteView(piece).first(got)));
  }
  return {};
}

Result<ScaleResult> give_back(Bench& bench, bool as_file) {
  const Corpus& corpus = bench.options.corpus;
  const std::string path = some_file(bench.options);
  const snapshot::Snapshot snapshot = TRY(last_snapshot(bench));
  const auto entry =
      TRY(snapshot::find_entry(*bench.repository, snapshot.tree, snapshot::key_from_path(path)));
  if (!entry) return fail(ErrorCode::kNotFound, "the snapshot has no " + path);
  const SimulatedBytes bytes(corpus.texture);
  Comparison comparison(bytes, entry->inode);
  auto activity = bench.activity();
  if (as_file) {
    engine::RestoreOptions restore;
    restore.target = bench.options.target;
    restore.subpath = path;
    restore.memory_limit = bench.options.memory_limit;
    TRY(engine::restore(*bench.repository, snapshot, restore, activity));
    TRY(compare_file(restore.target + path.substr(path.rfind('/')), comparison));
  } else {
    TRY(engine::dump(
        *bench.repository, snapshot, {.path = path, .id = {}},
        [&](ByteView piece) { return comparison.take(piece); }, activity));
  }
  TRY(bench.without_trouble());
  return comparison.finish(corpus.file_bytes);
}

}  // namespace

Result<ScaleResult> run_step(const ScaleOptions& options) {
  Bench bench(options);
  TRY(open(bench));
  if (options.step == "first" || options.step == "again") return back_up(bench);
  if (options.step == "churn") return back_up(bench);
  if (options.step == "plan" || options.step == "prune") return prune(bench);
  if (options.step == "check") return check(bench);
  if (options.step == "list") return list(bench);
  if (options.step == "folder") return list_folder(bench);
  if (options.step == "dump") return give_back(bench, false);
  if (options.step == "restore") return give_back(bench, true);
  return fail(ErrorCode::kInvalidArgument, "there is no step " + options.step);
}

}  // namespace backstay::bench
