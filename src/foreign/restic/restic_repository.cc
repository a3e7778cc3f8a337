#include "foreign/restic/restic_repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "foreign/restic/restic_source.h"
#include "foreign/restic/tree_walk.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::restic {

namespace {

constexpr std::size_t kPathsMax = 10000;

Result<ResticTree> tree_of(const ForeignSnapshot& snapshot) {
  const auto root = Id::from_hex(snapshot.tree);
  if (!root) return fail(ErrorCode::kCorruption, "the snapshot names no tree");
  return ResticTree{.root = *root, .base = snapshot.base};
}

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  const auto repeated = std::ranges::unique(texts);
  texts.erase(repeated.begin(), repeated.end());
  return texts;
}

}  // namespace

ResticRepository::ResticRepository(std::unique_ptr<Store> store)
    : store_(std::move(store)), pieces_(*store_, index_) {}

Result<std::unique_ptr<ForeignRepository>> ResticRepository::open(const std::string& folder,
                                                                  std::string_view password,
                                                                  const std::stop_token& stop) {
  auto store = TRY(Store::open(folder, password, stop));
  return std::unique_ptr<ForeignRepository>(new ResticRepository(std::move(store)));
}

Result<std::vector<ForeignSnapshot>> ResticRepository::snapshots(const ForeignHooks& hooks) {
  std::vector<ForeignSnapshot> found;
  for (const Id& id : TRY(store_->list("snapshots"))) {
    if (hooks.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto read = [&]() -> Result<ForeignSnapshot> {
      const Bytes text = TRY(store_->read("snapshots", id));
      return parse_snapshot(id, as_text(text));
    };
    Result<ForeignSnapshot> snapshot = read();
    if (!snapshot) {
      hooks.report("snapshot " + id.short_hex(), snapshot.error());
      continue;
    }
    snapshot->record.origin = fmt::format("restic:{}/{}", store_->repository_id().hex(), id.hex());
    found.push_back(*std::move(snapshot));
  }
  std::ranges::sort(found, {}, by_time);
  return found;
}

// The index is read after the snapshots, as restic writes it before them.
Result<void> ResticRepository::load_index(const ForeignHooks& hooks) {
  if (index_loaded_) return {};
  for (const Id& id : TRY(store_->list("index"))) {
    if (hooks.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto read = [&]() -> Result<void> {
      const Bytes text = TRY(store_->read("index", id));
      return index_.add(as_text(text));
    };
    if (const auto added = read(); !added) hooks.report("index " + id.short_hex(), added.error());
  }
  index_.sort();
  index_loaded_ = true;
  return {};
}

// Whether each key is in the tree when its root is taken for the folder `base_key`.
Result<bool> ResticRepository::lies_in(const Id& root, std::string_view base_key,
                                       const std::vector<std::string>& keys) const {
  for (const std::string& key : keys) {
    if (!snapshot::is_within(key, base_key)) return false;
    if (key == base_key) continue;
    const std::size_t skip = base_key.empty() ? 0 : base_key.size() + 1;
    if (!TRY(find_node(pieces_, root, std::string_view(key).substr(skip)))) return false;
  }
  return true;
}

Result<std::vector<std::string>> ResticRepository::top_paths(const Id& root) const {
  std::vector<std::string> paths;
  TreeWalk walk(pieces_, root, "");
  while (const auto found = TRY(walk.next())) {
    walk.pass_over_folder();
    paths.push_back(snapshot::path_from_key(found->key));
    if (paths.size() > kPathsMax) break;
  }
  if (paths.empty() || paths.size() > kPathsMax) return std::vector<std::string>{"/"};
  return paths;
}

Result<void> ResticRepository::complete(ForeignSnapshot& snapshot, const ForeignHooks& hooks) {
  TRY(load_index(hooks));
  const Id root = TRY(tree_of(snapshot)).root;
  std::vector<std::string> keys;
  for (const std::string& path : snapshot.record.paths) {
    if (!path.starts_with('/') || path.find('\0') != std::string::npos) break;
    keys.push_back(snapshot::key_from_path(snapshot::clean_path(path, "/")));
  }
  const bool usable =
      !keys.empty() && keys.size() == snapshot.record.paths.size() && keys.size() <= kPathsMax &&
      std::ranges::all_of(
          keys, [](const std::string& key) { return snapshot::validate_key(key).has_value(); });
  if (usable) {
    const std::string& first = keys.front();
    for (std::size_t end = 0; end != std::string::npos;) {
      const std::string base = first.substr(0, end);
      if (TRY(lies_in(root, base, keys))) {
        snapshot.base = base;
        for (std::string& key : keys) key = snapshot::path_from_key(key);
        snapshot.record.paths = sorted(std::move(keys));
        return {};
      }
      end = end == first.size() ? std::string::npos
                                : std::min(first.find('\0', end + 1), first.size());
    }
  }
  snapshot.base.clear();
  snapshot.record.paths = sorted(TRY(top_paths(root)));
  hooks.note(
      fmt::format("snapshot {}: its paths are not in its tree as they stand; they are "
                  "taken to be what the tree has at its top",
                  snapshot.id.substr(0, 8)));
  return {};
}

Result<std::unique_ptr<ForeignSource>> ResticRepository::open(const ForeignSnapshot& snapshot,
                                                              const ForeignSnapshot* before,
                                                              const ForeignHooks& hooks) {
  TRY(load_index(hooks));
  std::optional<ResticTree> tree_before;
  if (before != nullptr) {
    if (auto tree = tree_of(*before)) tree_before = *std::move(tree);
  }
  return std::make_unique<ResticSource>(pieces_, TRY(tree_of(snapshot)), std::move(tree_before),
                                        snapshot.record.started, hooks);
}

}  // namespace backstay::foreign::restic
