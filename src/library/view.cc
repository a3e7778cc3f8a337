#include <fmt/format.h>

#include "base/try.h"
#include "engine/restore.h"
#include "library/opened.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay {
namespace {

Result<snapshot::PathFilter> filter_of(const std::vector<std::string>& patterns) {
  snapshot::PathFilter filter;
  for (const std::string& pattern : patterns) TRY(filter.add(pattern, snapshot::Case::kSensitive));
  return filter;
}

engine::Overwrite overwrite_of(Existing existing) {
  switch (existing) {
    case Existing::kReplaceDifferent:
      return engine::Overwrite::kAlways;
    case Existing::kReplaceChanged:
      return engine::Overwrite::kIfChanged;
    case Existing::kReplaceOlder:
      return engine::Overwrite::kIfNewer;
    case Existing::kLeave:
      return engine::Overwrite::kNever;
  }
  return engine::Overwrite::kNever;
}

}  // namespace

View::View(std::unique_ptr<State> state) : state_(std::move(state)) {}
View::View(View&&) noexcept = default;
View& View::operator=(View&&) noexcept = default;
View::~View() = default;

const Snapshot& View::snapshot() const {
  return state_->told;
}

Result<std::optional<FileEntry>> View::find(std::string_view path) {
  const std::string clean = snapshot::clean_path(path, "/");
  const snapshot::Snapshot& in = state_->stored.snapshot;
  const auto entry = TRY(
      snapshot::find_entry(*state_->opened.repository, in.tree, snapshot::key_from_path(clean)));
  if (!entry) return std::optional<FileEntry>();
  return library::told_entry(clean, *entry, in);
}

Result<void> View::list(std::string_view folder, const EachEntry& each) {
  const std::string key = snapshot::key_from_path(snapshot::clean_path(folder, "/"));
  const snapshot::Snapshot& in = state_->stored.snapshot;
  return snapshot::list_folder(
      *state_->opened.repository, in.tree, key, [&](const snapshot::TreeItem& item) {
        return each(library::told_entry(snapshot::path_from_key(item.key), item.entry, in));
      });
}

Result<void> View::walk(std::string_view folder, const EachEntry& each) {
  const std::string key = snapshot::key_from_path(snapshot::clean_path(folder, "/"));
  const snapshot::Snapshot& in = state_->stored.snapshot;
  snapshot::TreeCursor cursor(*state_->opened.repository, in.tree);
  TRY(cursor.seek(key));
  while (const auto item = TRY(cursor.next())) {
    if (!snapshot::is_within(item->key, key)) return {};
    if (item->key == key) continue;
    TRY(each(library::told_entry(snapshot::path_from_key(item->key), item->entry, in)));
  }
  return {};
}

Result<void> View::read(std::string_view path, const Sink& sink) {
  const Watch nobody;
  library::Watched watched(state_->opened.access, nobody);
  return engine::dump(*state_->opened.repository, state_->stored.snapshot,
                      {.path = snapshot::clean_path(path, "/"), .id = state_->stored.id}, sink,
                      watched.activity());
}

Result<RestoreResult> View::restore(const RestoreRequest& request, const Watch& watch) {
  const Access& access = state_->opened.access;
  engine::RestoreOptions options;
  if (request.target.empty())
    return fail(ErrorCode::kInvalidArgument, "a restore needs a folder to restore to");
  options.id = state_->stored.id;
  options.target = request.target;
  if (!request.subpath.empty()) options.subpath = snapshot::clean_path(request.subpath, "/");
  options.includes = TRY(filter_of(request.includes));
  options.excludes = TRY(filter_of(request.excludes));
  options.overwrite = overwrite_of(request.existing);
  options.delete_extra = request.delete_extra;
  options.ownership = request.ownership;
  options.verify = request.verify;
  options.threads = request.threads;
  options.memory_limit = request.memory_limit;
  options.keep = library::own_folders(access, *state_->opened.repository);
  library::Watched watched(access, watch);
  const engine::RestoreReport report = TRY(engine::restore(
      *state_->opened.repository, state_->stored.snapshot, options, watched.activity()));
  return RestoreResult{.files_restored = report.files_restored,
                       .files_unchanged = report.files_unchanged,
                       .files_deleted = report.files_deleted,
                       .dirs_restored = report.dirs_restored,
                       .bytes_written = report.bytes_written,
                       .errors = report.errors};
}

}  // namespace backstay
