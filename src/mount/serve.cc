#include "mount/serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/restore/limits.h"
#include "engine/restore/read_lease.h"
#include "io/metadata.h"
#include "repo/object.h"

namespace backstay::mount {

namespace {

constexpr std::chrono::seconds kLeaseLook{5};
// Different things of which trouble is told; a repository that is away would give millions.
constexpr std::size_t kToldMax = 1000;
// Who waits for a frame takes no processor: more may wait than fetch.
constexpr std::size_t kAnswerersMin = 8;

// Tells of each thing once, because programs ask again and again for what they cannot get.
class Trouble {
 public:
  explicit Trouble(engine::Activity& activity) : activity_(activity) {}

  void tell(const Node& node, const Error& error) EXCLUDES(mutex_) {
    if (repo::is_damage_or_loss(error.code())) damage_ = true;
    ++errors_;
    {
      const MutexLock lock(mutex_);
      if (told_.size() >= kToldMax || !told_.insert(node.identity).second) return;
    }
    activity_.report(describe(node), error);
  }
  [[nodiscard]] std::uint64_t errors() const { return errors_.load(); }
  [[nodiscard]] bool damage() const { return damage_.load(); }

 private:
  engine::Activity& activity_;
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<bool> damage_{false};
  Mutex mutex_;
  std::set<Identity> told_ GUARDED_BY(mutex_);
};

Result<void> require_folder(const std::string& target) {
  auto status = io::full_status_of_path(target);
  if (!status) {
    Error error = std::move(status).error();
    if (error.system_error() == ENOTCONN)
      return std::unexpected(std::move(error).with_hint(
          "A mount that ended without being unmounted is still there: 'umount " + target +
          "' or 'fusermount3 -u " + target + "' takes it away."));
    return std::unexpected(std::move(error).with_hint("Make the folder first."));
  }
  if (status->kind == io::FileKind::kDirectory) return {};
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, target + " is no folder")
          .with_hint("Name a folder, best an empty one: what is in it is hidden meanwhile."));
}

// Reading the repository through the mount that is made of it would wait for itself.
Result<void> require_not_hidden(const std::string& target, const std::vector<std::string>& keep) {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::weakly_canonical(target, ignored);
  for (const std::string& one : keep) {
    const std::filesystem::path kept = std::filesystem::weakly_canonical(one, ignored);
    const auto differ = std::ranges::mismatch(folder, kept);
    if (differ.in1 != folder.end()) continue;
    return std::unexpected(
        Error(
            ErrorCode::kInvalidArgument,
            fmt::format("mounted at {}, the snapshots would hide {}, which is needed to read them",
                        target, one))
            .with_hint("Choose a folder of its own."));
  }
  return {};
}

using Ids = std::vector<snapshot::SnapshotId>;

// Lists snapshots, and again when the store has others.
class Lister {
 public:
  Lister(repo::Repository& repository, const ServeOptions& options, engine::Activity& activity)
      : repository_(repository), options_(options), activity_(activity) {}

  Result<SnapshotSetPtr> first() {
    ids_ = TRY(ids());
    return list();
  }

  Result<SnapshotSetPtr> again(const SnapshotSetPtr& shown) {
    auto listed = list_if_new(shown);
    const bool fails = !listed;
    // While it goes on failing, that is no news.
    if (fails && !failing_ && !activity_.stop.stop_requested())
      activity_.report("the list of snapshots", listed.error());
    failing_ = fails;
    return listed;
  }

 private:
  Result<SnapshotSetPtr> list_if_new(const SnapshotSetPtr& shown) {
    Ids now = TRY(ids());
    if (now == ids_) return shown;
    SnapshotSetPtr listed = TRY(list());
    ids_ = std::move(now);
    return listed;
  }
  Result<Ids> ids() {
    Ids ids = TRY_DOING("listing snapshots", repository_.list_snapshots());
    std::ranges::sort(ids);
    return ids;
  }
  Result<SnapshotSetPtr> list() {
    const std::vector<repo::StoredSnapshot> snapshots = TRY(options_.list());
    TRY(options_.load_index());
    return std::make_shared<const SnapshotSet>(snapshots);
  }

  repo::Repository& repository_;
  const ServeOptions& options_;
  engine::Activity& activity_;
  Ids ids_;
  bool failing_ = false;
};

// Until it is unmounted or to be ended; says once when the lease is lost.
void watch(FuseServer& server, const engine::restoring::LeasePtr& lease,
           engine::Activity& activity) {
  bool lost = false;
  while (!server.wait_until_unmounted(kLeaseLook) && !activity.stop.stop_requested()) {
    if (lost || lease == nullptr) continue;
    const auto held = lease->verify();
    if (held) continue;
    lost = true;
    activity.report("the lease of this mount",
                    held.error().clone().with_hint(
                        "A prune may remove what forgotten snapshots needed: mount again."));
  }
}

}  // namespace

FrameStore::Limits frame_limits(const backend::Backend& store, std::size_t threads,
                                std::uint64_t memory_limit) {
  constexpr std::uint64_t kUsual = 96u << 20;
  constexpr std::uint64_t kLeast = 8u << 20;
  constexpr std::uint64_t kShared = 48u << 20;  // the program, index and tree pages
  FrameStore::Limits limits;
  limits.threads = engine::restoring::limits_over(store, threads, memory_limit).threads;
  const std::uint64_t bytes =
      memory_limit == 0 ? kUsual : (std::max(memory_limit, kShared) - kShared) / 2;
  limits.bytes_max = static_cast<std::size_t>(std::max(bytes, kLeast));
  return limits;
}

Result<ServeReport> serve(repo::Repository& repository, const ServeOptions& options,
                          const std::function<void(std::size_t snapshots)>& ready,
                          engine::Activity& activity) {
  TRY_DOING("mounting", require_folder(options.target));
  TRY_DOING("mounting", require_not_hidden(options.target, options.keep));
  // From here on nothing is freed that a snapshot needs which is there.
  const auto lease = TRY(engine::restoring::take_read_lease(repository, "mount", activity));
  Lister lister(repository, options, activity);
  SnapshotSetPtr first = TRY(lister.first());

  FrameStore frames(repository,
                    frame_limits(repository.store(), options.threads, options.memory_limit));
  SnapshotFeed feed(std::move(first),
                    [&lister](const SnapshotSetPtr& shown) { return lister.again(shown); },
                    repository.world().clock, {});
  FileTree tree(repository, feed, frames, activity.stop);
  Trouble trouble(activity);
  const FuseServer::Options how{.target = options.target,
                                .access = options.access,
                                .threads = std::max(kAnswerersMin, 2 * frames.limits().threads)};
  const auto server = TRY_DOING(
      "mounting at " + options.target,
      FuseServer::mount(tree, how, activity.stop, [&trouble](const Node& node, const Error& error) {
        trouble.tell(node, error);
      }));
  ready(feed.shown()->all().size());
  watch(*server, lease, activity);

  ServeReport report;
  report.stopped = activity.stop.stop_requested();
  report.detached = server->unmount() == FuseServer::Ended::kDetached;
  report.snapshots = feed.shown()->all().size();
  report.errors = trouble.errors();
  report.damage = trouble.damage();
  return report;
}

}  // namespace backstay::mount
