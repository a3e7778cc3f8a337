#include "foreign/borg/borg_repository.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "foreign/borg/borg_source.h"
#include "foreign/borg/item.h"

namespace backstay::foreign::borg {

namespace {

constexpr std::size_t kListMax = std::size_t{256} << 20;

}  // namespace

Result<std::unique_ptr<ForeignRepository>> BorgRepository::open(const BorgOptions& options,
                                                                const std::stop_token& stop) {
  if (options.repository.find("::") != std::string::npos || options.repository.starts_with('-')) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "this names no repository of borg's")
                               .with_hint("Name the repository, and archives after it."));
  }
  std::unique_ptr<BorgRepository> repository(new BorgRepository(options));
  TRY(repository->borg_.check_version(stop));
  return std::unique_ptr<ForeignRepository>(std::move(repository));
}

Result<std::vector<ForeignSnapshot>> BorgRepository::snapshots(const ForeignHooks& hooks) {
  const std::string text =
      TRY_DOING("listing the archives of " + borg_.options().repository,
                borg_.output_of({"list"},
                                {"--json", "--format={name}{id}{hostname}{username}{start}{end}",
                                 borg_.options().repository},
                                kListMax, hooks.stop));
  return TRY_DOING("listing the archives of " + borg_.options().repository, parse_list(text));
}

Result<std::shared_ptr<const Archive>> BorgRepository::archive_of(const ForeignSnapshot& snapshot,
                                                                  const ForeignHooks& hooks) {
  const auto known =
      std::ranges::find(loaded_, snapshot.id, [](const auto& one) { return one->id; });
  if (known != loaded_.end()) return *known;
  auto archive =
      TRY_DOING("reading the archive " + snapshot.name, load_archive(borg_, snapshot, hooks));
  if (loaded_.size() >= 2) loaded_.erase(loaded_.begin());
  loaded_.push_back(archive);
  return archive;
}

Result<void> BorgRepository::complete(ForeignSnapshot& snapshot, const ForeignHooks& hooks) {
  const auto archive = TRY(archive_of(snapshot, hooks));
  snapshot::Snapshot& record = snapshot.record;
  record.paths = archive->paths;
  record.description = snapshot.name;
  constexpr std::size_t kCommentMax = std::size_t{64} * 1024;
  if (!archive->head.comment.empty() && archive->head.comment.size() <= kCommentMax)
    record.description += ": " + archive->head.comment;
  // 'borg list' knows whole seconds.
  if (archive->head.started && archive->head.started->seconds == record.started.seconds)
    record.started = *archive->head.started;
  if (archive->head.finished && archive->head.finished->seconds == record.finished.seconds)
    record.finished = *archive->head.finished;
  return {};
}

Result<std::unique_ptr<ForeignSource>> BorgRepository::open(const ForeignSnapshot& snapshot,
                                                            const ForeignSnapshot* before,
                                                            const ForeignHooks& hooks) {
  const auto archive = TRY(archive_of(snapshot, hooks));
  std::shared_ptr<const Archive> old;
  if (before != nullptr) {
    if (auto loaded = archive_of(*before, hooks)) old = *std::move(loaded);
  }
  return std::make_unique<BorgSource>(borg_, archive, old, snapshot.record.started, hooks);
}

}  // namespace backstay::foreign::borg
