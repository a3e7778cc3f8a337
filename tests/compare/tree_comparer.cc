// One thread walks both trees, in step and sorted by name, and hands batches of entries to the
// others, which read them.
#include "compare/tree_comparer.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "base/try.h"
#include "io/directory_reader.h"

namespace backstay::compare {
namespace {

using Folders = std::shared_ptr<const FolderPair>;

// A batch keeps its folder open on both sides, so these bound the descriptors too.
constexpr std::size_t kBatchesMax = 32;
constexpr std::size_t kBatchEntries = 64;
constexpr std::uint64_t kBatchBytes = std::uint64_t{8} << 20;
constexpr std::size_t kOpenLevelsMax = 64;  // folders further up are reopened on the way back

struct Item {
  std::string name;
  std::string path;
  StatusPair status;
  HardLinks::Verdict links = HardLinks::Verdict::kFirst;
};
struct Batch {
  Folders at;
  std::vector<Item> items;
  std::uint64_t bytes = 0;
};

enum class Side : std::uint8_t { kLeft = 1, kRight = 2, kBoth = 3 };
struct Name {
  std::string name;
  Side side = Side::kBoth;
};

Result<std::vector<std::string>> sorted_names(io::DirectoryReader& reader, int folder) {
  std::vector<std::string> names;
  TRY(reader.start(folder));
  while (const std::optional<std::string_view> name = TRY(reader.next())) names.emplace_back(*name);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<Name> merged(std::vector<std::string> left, std::vector<std::string> right) {
  std::vector<Name> names;
  names.reserve(std::max(left.size(), right.size()));
  auto a = left.begin();
  auto b = right.begin();
  while (a != left.end() || b != right.end()) {
    if (b == right.end() || (a != left.end() && *a < *b)) {
      names.push_back({std::move(*a++), Side::kLeft});
    } else if (a == left.end() || *b < *a) {
      names.push_back({std::move(*b++), Side::kRight});
    } else {
      names.push_back({std::move(*a++), Side::kBoth});
      ++b;
    }
  }
  return names;
}

std::string_view without_slash_at_end(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

class TreeComparer {
 public:
  TreeComparer(const Options& options, Report& report)
      : report_(report),
        ownership_(options.ownership),
        threads_(std::max<std::size_t>(options.threads, 1)),
        own_(report, options.ownership) {
    const std::string below = std::string(without_slash_at_end(options.left)) + "/";
    for (const std::string& path : options.excluded) {
      excluded_.insert(path.starts_with(below) ? path.substr(below.size()) : path);
    }
  }

  Result<void> run(const Options& options) {
    const Item root{
        "",
        ".",
        {TRY(io::full_status_of_path(options.left)), TRY(io::full_status_of_path(options.right))}};
    if (root.status.left.kind != io::FileKind::kDirectory ||
        root.status.right.kind != io::FileKind::kDirectory) {
      return fail(ErrorCode::kInvalidArgument, "compare_trees compares two folders");
    }
    std::vector<std::jthread> readers;
    for (std::size_t i = 0; i < threads_; ++i) readers.emplace_back([this] { read_batches(); });
    const Result<void> outcome = walk(options, root);
    batches_.close();
    readers.clear();
    if (!outcome) return std::unexpected(outcome.error().clone());
    return {};
  }

 private:
  struct Level {
    Folders folders;  // null while closed
    std::vector<Name> names;
    std::size_t next = 0;
    std::size_t path_length = 0;
  };

  void read_batches() {
    EntryComparer comparer(report_, ownership_);
    while (const std::optional<Batch> batch = batches_.pop()) {
      for (const Item& item : batch->items) {
        comparer.compare(*batch->at, item.name, item.path, item.status, item.links);
      }
    }
  }

  Result<void> walk(const Options& options, const Item& root) {
    const auto open = [](const std::string& path) {
      return io::open_folder_to_walk(AT_FDCWD, path.c_str(), io::FolderUse::kList,
                                     io::LastLink::kFollow);
    };
    io::OpenNode left = TRY_DOING("opening " + options.left, open(options.left));
    io::OpenNode right = TRY_DOING("opening " + options.right, open(options.right));
    const FolderPair both{std::move(left.fd), std::move(right.fd)};
    own_.compare(both, ".", root.path, root.status, root.links);
    enter(both, ".");
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.next == level.names.size()) {
        TRY(leave());
      } else {
        const std::size_t next = level.next++;
        visit(level.names[next]);
      }
    }
    return {};
  }

  // path_ is the folder's. One that cannot be read on both sides is reported and not entered.
  void enter(const FolderPair& at, const std::string& name) {
    const auto outcome = [&]() -> Result<void> {
      const auto open = [&](const io::Fd& folder) {
        return io::open_folder_to_walk(folder.get(), name.c_str(), io::FolderUse::kList);
      };
      io::OpenNode left = TRY(open(at.left));
      io::OpenNode right = TRY(open(at.right));
      std::vector<std::string> left_names = TRY(sorted_names(reader_, left.fd.get()));
      std::vector<std::string> right_names = TRY(sorted_names(reader_, right.fd.get()));
      Level level;
      level.folders =
          std::make_shared<const FolderPair>(FolderPair{std::move(left.fd), std::move(right.fd)});
      level.names = merged(std::move(left_names), std::move(right_names));
      level.path_length = path_.size();
      levels_.push_back(std::move(level));
      return {};
    }();
    if (!outcome) return report_.unreadable(path_, outcome.error().describe());
    if (levels_.size() > kOpenLevelsMax)
      levels_[levels_.size() - 1 - kOpenLevelsMax].folders.reset();
  }

  Result<void> leave() {
    flush();
    const Folders below = std::move(levels_.back().folders);
    levels_.pop_back();
    if (levels_.empty()) return {};
    Level& level = levels_.back();
    path_.resize(level.path_length);
    if (level.folders) return {};
    const auto above = [](const io::Fd& folder) {
      return io::open_folder_to_walk(folder.get(), "..", io::FolderUse::kList);
    };
    io::OpenNode left = TRY(above(below->left));
    io::OpenNode right = TRY(above(below->right));
    level.folders =
        std::make_shared<const FolderPair>(FolderPair{std::move(left.fd), std::move(right.fd)});
    return {};
  }

  // Not by reference: entering a folder moves the levels.
  void visit(Name name) {
    const Level& level = levels_.back();
    const Folders at = level.folders;
    path_.resize(level.path_length);
    if (!path_.empty()) path_ += '/';
    path_ += name.name;
    if (excluded_.contains(path_)) return;
    if (name.side == Side::kLeft)
      return report_.difference(path_, What::kExistence, "present", "missing");
    if (name.side == Side::kRight)
      return report_.difference(path_, What::kExistence, "missing", "present");
    const Result<io::FileStatus> left = io::full_status_at(at->left.get(), name.name.c_str());
    const Result<io::FileStatus> right = io::full_status_at(at->right.get(), name.name.c_str());
    for (const Result<io::FileStatus>* side : {&left, &right}) {
      if (!*side) return report_.unreadable(path_, side->error().describe());
    }
    const StatusPair status{*left, *right};
    const bool are_folders = left->kind == io::FileKind::kDirectory && right->kind == left->kind;
    if (!are_folders) {
      const auto links =
          left->kind == right->kind ? links_.check(status) : HardLinks::Verdict::kFirst;
      return add({std::move(name.name), path_, status, links}, at);
    }
    flush();
    own_.compare(*at, name.name, path_, status, HardLinks::Verdict::kFirst);
    enter(*at, name.name);
  }

  void add(Item item, const Folders& at) {
    if (batch_.at != at) flush();
    batch_.at = at;
    batch_.bytes += item.status.left.size;
    batch_.items.push_back(std::move(item));
    if (batch_.items.size() >= kBatchEntries || batch_.bytes >= kBatchBytes) flush();
  }

  void flush() {
    if (!batch_.items.empty()) batches_.push(std::move(batch_));
    batch_ = {};
  }

  Report& report_;
  const Ownership ownership_;
  const std::size_t threads_;
  HardLinks links_;
  EntryComparer own_;  // of the walking thread, for folders
  io::DirectoryReader reader_;
  std::set<std::string> excluded_;
  BoundedQueue<Batch> batches_{kBatchesMax};
  std::vector<Level> levels_;
  std::string path_;
  Batch batch_;
};

}  // namespace

Result<Totals> compare_trees(const Options& options, std::FILE* out) {
  Report report(out, options.ignored);
  TRY(TreeComparer(options, report).run(options));
  return report.finish();
}

}  // namespace backstay::compare
