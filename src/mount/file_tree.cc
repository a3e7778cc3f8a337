#include "mount/file_tree.h"

#include <algorithm>

#include "base/try.h"
#include "mount/names.h"
#include "snapshot/tree_key.h"

namespace backstay::mount {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

constexpr mode_t kFolderMode = S_IFDIR | 0555;
constexpr mode_t kLinkMode = S_IFLNK | 0777;
constexpr std::string_view kLatest = "latest";

// The folder of a snapshot, as it is shown whatever the snapshot says of "/": nothing has to be
// read for it, and its time is that of the snapshot.
Entry top_entry(const snapshot::Snapshot& snapshot) {
  Entry entry;
  entry.type = EntryType::kDirectory;
  entry.mode = 0755;
  entry.modified = entry.changed = snapshot.started;
  return entry;
}

std::string path_below(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : std::string(folder).append("/").append(name);
}

std::string path_of(const Node& folder) {
  switch (folder.place) {
    case Place::kSnapshots:
      return "snapshots";
    case Place::kHost:
      return "hosts/" + folder.text;
    case Place::kTag:
      return "tags/" + folder.text;
    default:
      return {};
  }
}

// When what is in a folder of links changed last.
Timestamp newest(const SnapshotSet::Snapshots& snapshots) {
  return snapshots.empty() ? Timestamp{} : snapshots.back()->snapshot.started;
}

Child virtual_child(std::string name, Node node, mode_t mode, Timestamp time) {
  Child child{
      .name = std::move(name), .node = std::move(node), .status = {}, .lasting = Lasting::kForNow};
  child.status = virtual_status(child.node, mode, time);
  return child;
}

const SnapshotSet::Snapshots* snapshots_in(const SnapshotSet& set, const Node& folder) {
  if (folder.place == Place::kSnapshots || folder.place == Place::kRoot) return &set.all();
  const SnapshotSet::Folders& folders = folder.place == Place::kHost ? set.hosts() : set.tags();
  const auto it = folders.find(folder.text);
  return it == folders.end() ? nullptr : &it->second;
}

// What a link says, and the snapshot that it leads to; null when that is gone.
struct LinkFacts {
  ServedPtr snapshot;
  std::string target;
};

// Its path is "hosts/HOST/NAME", "tags/TAG/NAME", "snapshots/latest" or "latest".
LinkFacts link_facts(const SnapshotSet& set, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t first = path.find('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const Place place = path.starts_with("hosts/")  ? Place::kHost
                      : path.starts_with("tags/") ? Place::kTag
                                                  : Place::kSnapshots;
  LinkFacts facts;
  if (place == Place::kSnapshots) {
    facts.target = slash == std::string::npos ? "snapshots/" : "";
    facts.snapshot = latest_of(set.all());
  } else {
    facts.target = "../../snapshots/";
    Node folder{.place = place, .snapshot = {}, .text = path.substr(first + 1, slash - first - 1)};
    const auto* snapshots = snapshots_in(set, folder);
    if (snapshots != nullptr) facts.snapshot = latest_of(*snapshots);
  }
  if (name != kLatest) facts.snapshot = set.find(name);
  if (facts.snapshot != nullptr) facts.target += facts.snapshot->name;
  return facts;
}

struct stat link_status(const Node& node, const LinkFacts& facts) {
  struct stat status = virtual_status(
      node, kLinkMode, facts.snapshot == nullptr ? Timestamp{} : facts.snapshot->snapshot.started);
  status.st_size = static_cast<off_t>(facts.target.size());
  return status;
}

Child link_child(const SnapshotSet& set, const Node& folder, std::string_view name) {
  const std::string path = path_below(path_of(folder), name);
  Child child{.name = std::string(name),
              .node = virtual_node(Place::kLink, path),
              .status = {},
              .lasting = Lasting::kForNow};
  child.status = link_status(child.node, link_facts(set, path));
  return child;
}

void append_latest(const Node& folder, const SnapshotSet& set, std::vector<Child>& children) {
  const SnapshotSet::Snapshots* snapshots = snapshots_in(set, folder);
  if (snapshots != nullptr && !snapshots->empty())
    children.push_back(link_child(set, folder, kLatest));
}

Child top_child(const ServedPtr& snapshot) {
  const Entry entry = top_entry(snapshot->snapshot);
  Child child{.name = snapshot->name,
              .node = entry_node(snapshot, {}, entry),
              .status = {},
              .lasting = Lasting::kForNow};
  child.status = status_of(child.node, entry);
  return child;
}

struct stat path_status(const Node& node, const MergedStatus& merged) {
  struct stat status = virtual_status(node, S_IFDIR | merged.mode, merged.modified);
  status.st_uid = merged.uid;
  status.st_gid = merged.gid;
  return status;
}

}  // namespace

Result<NodePtr> FileTree::require_node(Inode inode) const {
  NodePtr node = inodes_.find(inode);
  if (node != nullptr) return node;
  return fail(ErrorCode::kNotFound, "the kernel asked for what it was not told of");
}

Result<FileTree::EntryPtr> FileTree::entry_of(const Node& node) {
  if (node.place != Place::kEntry)
    return fail(ErrorCode::kInvalidArgument, describe(node) + " is in no snapshot");
  if (EntryPtr kept = entries_.find(node)) return kept;
  if (node.text.empty()) return std::make_shared<const Entry>(top_entry(node.snapshot->snapshot));
  auto entry = TRY(snapshot::find_entry(repository_, node.snapshot->snapshot.tree, node.text));
  // It was there when the kernel was told of it, and snapshots do not change.
  if (!entry) return fail(ErrorCode::kCorruption, describe(node) + " is not there any more");
  auto found = std::make_shared<const Entry>(*std::move(entry));
  entries_.keep(node, found);
  return found;
}

Result<std::optional<Child>> FileTree::entry_child(const ServedPtr& snapshot, std::string key,
                                                   std::string_view name) {
  auto entry = TRY_DOING(
      "looking for " + snapshot::path_from_key(key) + " in snapshot " + snapshot->id.short_hex(),
      snapshot::find_entry(repository_, snapshot->snapshot.tree, key));
  if (!entry) return std::nullopt;
  Child child{.name = std::string(name), .node = {}, .status = {}};
  child.entry = std::make_shared<const Entry>(*std::move(entry));
  child.node = entry_node(snapshot, std::move(key), *child.entry);
  child.status = status_of(child.node, *child.entry);
  return child;
}

// Of the folders above the snapshots.
std::vector<Child> FileTree::listed_children(const Node& folder) {
  const SnapshotSetPtr set = feed_.current();
  const Timestamp time = newest(set->all());
  std::vector<Child> children;
  const auto add_folders = [&](const SnapshotSet::Folders& folders, Place place) {
    for (const auto& [name, snapshots] : folders)
      children.push_back(
          virtual_child(name, virtual_node(place, name), kFolderMode, newest(snapshots)));
  };
  switch (folder.place) {
    case Place::kRoot:
      for (const auto& [name, place] : {std::pair{"by-path", Place::kByPath},
                                        {"hosts", Place::kHosts},
                                        {"snapshots", Place::kSnapshots},
                                        {"tags", Place::kTags}})
        children.push_back(virtual_child(name, virtual_node(place), kFolderMode, time));
      append_latest(folder, *set, children);
      break;
    case Place::kHosts:
      add_folders(set->hosts(), Place::kHost);
      break;
    case Place::kTags:
      add_folders(set->tags(), Place::kTag);
      break;
    case Place::kHost:
    case Place::kTag:
      if (const auto* snapshots = snapshots_in(*set, folder))
        for (const ServedPtr& one : *snapshots)
          children.push_back(link_child(*set, folder, one->name));
      append_latest(folder, *set, children);
      break;
    case Place::kSnapshots:
      for (const ServedPtr& one : set->all()) children.push_back(top_child(one));
      append_latest(folder, *set, children);
      break;
    default:
      break;
  }
  return children;
}

std::optional<Child> FileTree::listed_child(const Node& folder, std::string_view name) {
  std::vector<Child> children = listed_children(folder);
  const auto found = std::ranges::find(children, name, &Child::name);
  if (found == children.end()) return std::nullopt;
  return std::move(*found);
}

Result<std::optional<Child>> FileTree::path_child(const Node& folder, std::string_view name) {
  const SnapshotSetPtr set = feed_.current();
  std::string key = snapshot::child_key(folder.text, name);
  const PathFactsPtr below = TRY(versions_.facts(set, key));
  if (below->status.exists) {
    Child child{.name = std::string(name),
                .node = virtual_node(Place::kByPath, std::move(key)),
                .status = {},
                .lasting = Lasting::kForNow};
    child.status = path_status(child.node, below->status);
    return child;
  }
  const PathFactsPtr here = TRY(versions_.facts(set, folder.text));
  const auto version = std::ranges::find(here->versions, name, &PathVersion::name);
  if (version == here->versions.end()) return std::nullopt;
  return entry_child(version->snapshot, folder.text, name);
}

// What is below the path, then its versions as a file; one that is called like something below it
// is not shown.
Result<std::vector<Child>> FileTree::path_children(const Node& folder) {
  const SnapshotSetPtr set = feed_.current();
  const PathFactsPtr facts = TRY(versions_.facts(set, folder.text));
  std::vector<Child> children;
  std::vector<PathChild> below;
  if (facts->is_folder) below = TRY(versions_.children(*set, folder.text));
  for (const PathChild& one : below) {
    Child child{.name = one.name,
                .node = virtual_node(Place::kByPath, snapshot::child_key(folder.text, one.name)),
                .status = {},
                .lasting = Lasting::kForNow};
    child.status = path_status(child.node, one.status);
    children.push_back(std::move(child));
  }
  for (const PathVersion& version : facts->versions) {
    if (std::ranges::binary_search(below, version.name, {}, &PathChild::name)) continue;
    Child child{.name = version.name,
                .node = entry_node(version.snapshot, folder.text, *version.entry),
                .status = {}};
    child.status = status_of(child.node, *version.entry);
    children.push_back(std::move(child));
  }
  return children;
}

Result<std::optional<Child>> FileTree::child_of(const Node& folder, std::string_view name) {
  if (!can_be_served(name)) return std::nullopt;
  switch (folder.place) {
    case Place::kEntry:
      return entry_child(folder.snapshot, snapshot::child_key(folder.text, name), name);
    case Place::kByPath:
      return path_child(folder, name);
    case Place::kSnapshots:
      if (const ServedPtr snapshot = feed_.current()->find(name)) return top_child(snapshot);
      return listed_child(folder, name);
    default:
      return listed_child(folder, name);
  }
}

Result<std::optional<Found>> FileTree::lookup(Inode folder, std::string_view name) {
  const NodePtr node = TRY(require_node(folder));
  auto child = TRY(child_of(*node, name));
  if (!child) return std::nullopt;
  return remember(*child);
}

Found FileTree::remember(const Child& child) {
  if (child.entry != nullptr) entries_.keep(child.node, child.entry);
  Found found{
      .inode = inodes_.remember(child.node), .status = child.status, .lasting = child.lasting};
  found.status.st_ino = found.inode;
  return found;
}

Result<struct stat> FileTree::status_of_node(const Node& node) {
  const SnapshotSetPtr set = feed_.current();
  switch (node.place) {
    case Place::kEntry:
      return mount::status_of(node, *TRY(entry_of(node)));
    case Place::kByPath:
      if (node.text.empty()) return virtual_status(node, kFolderMode, newest(set->all()));
      return path_status(node, TRY(versions_.facts(set, node.text))->status);
    case Place::kLink:
      return link_status(node, link_facts(*set, node.text));
    case Place::kHost:
    case Place::kTag: {
      const auto* snapshots = snapshots_in(*set, node);
      return virtual_status(node, kFolderMode,
                            newest(snapshots == nullptr ? set->all() : *snapshots));
    }
    default:
      return virtual_status(node, kFolderMode, newest(set->all()));
  }
}

Result<Found> FileTree::status(Inode inode) {
  const NodePtr node = TRY(require_node(inode));
  Found found{.inode = inode,
              .status = TRY(status_of_node(*node)),
              .lasting = node->place == Place::kEntry ? Lasting::kForEver : Lasting::kForNow};
  found.status.st_ino = inode;
  return found;
}

Result<std::string> FileTree::link_target(Inode inode) {
  const NodePtr node = TRY(require_node(inode));
  if (node->place == Place::kEntry) return TRY(entry_of(*node))->symlink_target;
  if (node->place != Place::kLink)
    return fail(ErrorCode::kInvalidArgument, describe(*node) + " is no symbolic link");
  LinkFacts facts = link_facts(*feed_.current(), node->text);
  if (facts.snapshot != nullptr) return std::move(facts.target);
  return fail(ErrorCode::kNotFound, "the snapshot is not there any more");
}

Result<std::vector<snapshot::ExtendedAttribute>> FileTree::xattrs(Inode inode) {
  const NodePtr node = TRY(require_node(inode));
  if (node->place != Place::kEntry || !node->has_xattrs)
    return std::vector<snapshot::ExtendedAttribute>();
  return TRY(entry_of(*node))->xattrs;
}

Result<std::unique_ptr<OpenFolder>> FileTree::open_folder(Inode inode) {
  const NodePtr node = TRY(require_node(inode));
  if (node->place == Place::kEntry)
    return std::make_unique<EntryFolder>(repository_, node->snapshot, node->text);
  if (node->place == Place::kByPath)
    return std::make_unique<ListedFolder>(TRY(path_children(*node)));
  return std::make_unique<ListedFolder>(listed_children(*node));
}

Result<std::unique_ptr<OpenFile>> FileTree::open_file(Inode inode) {
  const NodePtr node = TRY(require_node(inode));
  EntryPtr entry = TRY(entry_of(*node));
  if (entry->type != EntryType::kFile)
    return fail(ErrorCode::kInvalidArgument, describe(*node) + " is no regular file");
  return OpenFile::open(std::move(entry), repository_, frames_);
}

}  // namespace backstay::mount
