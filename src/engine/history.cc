#include "engine/history.h"

#include <algorithm>
#include <map>

#include "base/try.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::TreeRoot;

class History {
 public:
  History(repo::Repository& repository, const std::string& path, AttributesCount attributes)
      : repository_(repository), key_(snapshot::key_from_path(path)), attributes_(attributes) {}

  Result<void> add(std::size_t number, const snapshot::Snapshot& snapshot) {
    Host& host = hosts_[snapshot.host];
    if (host.version && host.tree == snapshot.tree) {
      version_of(host).snapshots.push_back(number);
      return {};
    }
    auto entry = TRY(snapshot::find_entry(repository_, snapshot.tree, key_));
    if (!entry && !covers(snapshot)) return {};
    const bool was_there = host.version && version_of(host).entry;
    if (!entry && !host.version) return {};
    if (entry || was_there) {
      const auto change = TRY(change_to(host, entry, snapshot.tree));
      if (change) begin(host, *change, snapshot.host, std::move(entry));
    }
    version_of(host).snapshots.push_back(number);
    host.tree = snapshot.tree;
    return {};
  }

  std::vector<PathVersion> take() {
    std::ranges::sort(versions_, [](const PathVersion& a, const PathVersion& b) {
      return a.snapshots < b.snapshots;
    });
    return std::move(versions_);
  }

 private:
  struct Host {
    std::optional<std::size_t> version;  // the newest, in versions_
    TreeRoot tree;                       // where it was seen last
  };

  PathVersion& version_of(const Host& host) { return versions_[*host.version]; }

  void begin(Host& host, ChangeKind change, const std::string& name, std::optional<Entry> entry) {
    host.version = versions_.size();
    versions_.push_back(
        {.host = name, .change = change, .entry = std::move(entry), .snapshots = {}});
  }

  [[nodiscard]] bool covers(const snapshot::Snapshot& snapshot) const {
    return std::ranges::any_of(snapshot.paths, [&](const std::string& path) {
      return snapshot::is_within(key_, snapshot::key_from_path(path));
    });
  }

  // Nothing: it is the version that the host has.
  Result<std::optional<ChangeKind>> change_to(const Host& host, const std::optional<Entry>& entry,
                                              const TreeRoot& tree) {
    if (!host.version || !version_of(host).entry) return ChangeKind::kAdded;
    const std::optional<Entry>& before = version_of(host).entry;
    const ChangeKind kind = kind_of(before, entry);
    const bool is_folder = entry && entry->type == EntryType::kDirectory;
    if (is_folder && kind == ChangeKind::kAttributes) return change_below(host, *entry, tree);
    if (kind != ChangeKind::kAttributes) return kind;
    return told_attributes(*before == *entry);
  }

  Result<std::optional<ChangeKind>> change_below(const Host& host, const Entry& entry,
                                                 const TreeRoot& tree) {
    const bool content = TRY(snapshot::differ_within(
        repository_, host.tree, tree, key_, [](const snapshot::TreeChange& change) {
          return kind_of(change.before, change.after) != ChangeKind::kAttributes;
        }));
    if (content) return ChangeKind::kContent;
    return told_attributes(*version_of(host).entry == entry);
  }

  [[nodiscard]] std::optional<ChangeKind> told_attributes(bool same) const {
    if (same || attributes_ == AttributesCount::kNo) return std::nullopt;
    return ChangeKind::kAttributes;
  }

  repo::Repository& repository_;
  const std::string key_;
  const AttributesCount attributes_;
  std::map<std::string, Host> hosts_;
  std::vector<PathVersion> versions_;
};

}  // namespace

Result<std::vector<PathVersion>> versions_of(repo::Repository& repository,
                                             const std::vector<repo::StoredSnapshot>& snapshots,
                                             const std::string& path, AttributesCount attributes,
                                             Activity& activity) {
  History history(repository, path, attributes);
  activity.progress.files_total = snapshots.size();
  for (std::size_t number = 0; number < snapshots.size(); ++number) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const repo::StoredSnapshot& stored = snapshots[number];
    activity.progress.set_current("snapshot " + stored.id.short_hex());
    if (auto added = history.add(number, stored.snapshot); !added) {
      if (!repo::is_damage_or_loss(added.error().code()))
        return std::unexpected(std::move(added).error());
      activity.report("snapshot " + stored.id.short_hex(), added.error());
    }
    ++activity.progress.files_done;
  }
  return history.take();
}

}  // namespace backstay::engine
