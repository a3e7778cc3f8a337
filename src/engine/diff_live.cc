#include "engine/diff_live.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/left_out.h"
#include "snapshot/tree_key.h"
#include "source/entry_status.h"
#include "source/file_source.h"

namespace backstay::engine {
namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::TreeItem;
using source::SourceItem;

constexpr std::size_t kZerosAtOnce = 1 << 20;

// The bytes of an open file in order, holes as zeros.
class InOrder {
 public:
  explicit InOrder(source::FileReader& reader) : reader_(reader) {}

  // Fills `out`; false when the file ends before.
  Result<bool> fill(MutableByteView out) {
    while (!out.empty()) {
      if (left_ == 0 && !TRY(next_run())) return false;
      const std::size_t wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, out.size()));
      std::size_t got = wanted;
      if (in_hole_)
        std::ranges::fill(out.first(wanted), std::uint8_t{0});
      else
        got = TRY(reader_.read(out.first(wanted)));
      if (got == 0) return false;  // it shrank meanwhile
      left_ -= got;
      out = out.subspan(got);
    }
    return true;
  }

 private:
  Result<bool> next_run() {
    const auto run = TRY(reader_.next_run());
    if (!run) return false;
    left_ = run->length;
    in_hole_ = run->hole;
    return true;
  }

  source::FileReader& reader_;
  std::uint64_t left_ = 0;
  bool in_hole_ = false;
};

// As a backup judges it.
bool looks_the_same(const Entry& now, const Entry& before) {
  return now.type == before.type && now.inode == before.inode && now.changed == before.changed &&
         now.modified == before.modified && now.size_bytes == before.size_bytes &&
         !before.changed_while_read;
}

// What other entries have by the mere fact that they stand elsewhere, or were looked at later.
Entry without_place(Entry entry) {
  entry.inode = 0;
  entry.device = 0;
  entry.changed = {};
  entry.accessed = {};
  entry.born = {};
  entry.changed_while_read = false;
  return entry;
}

class LiveDiff {
 public:
  LiveDiff(repo::Repository& repository, const snapshot::Snapshot& snapshot, LeftOut left_out,
           const std::function<Result<void>(const Change&)>& each, Activity& activity)
      : repository_(repository),
        left_out_(std::move(left_out)),
        each_(each),
        activity_(activity),
        tree_(repository, snapshot.tree) {}

  Result<DiffReport> run(const std::string& path, const std::vector<std::string>& roots) {
    within_ = snapshot::key_from_path(path);
    TRY(tree_.seek(within_));
    TRY(advance());
    source::FileSourceOptions options;
    options.paths = roots;
    options.selects = [this](const std::string& one) { return is_looked_for(one); };
    source_ = TRY(source::open_file_source(
        std::move(options),
        [this](const std::string& one, const Error& error) { trouble(one, error); }));
    while (auto item = TRY(source_->next())) {
      if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      // A folder above the paths that are compared.
      if (!snapshot::is_within(item->key, within_)) continue;
      ++activity_.progress.files_done;
      TRY(take(*item));
    }
    while (head_) TRY(take_removed());
    return std::move(report_);
  }

 private:
  // Asked when the walk comes to a name, after what is above it was compared.
  [[nodiscard]] bool is_looked_for(const std::string& path) const {
    return !is_in_part_left_out(snapshot::key_from_path(path)) && !left_out_.may_fit(path);
  }
  [[nodiscard]] bool is_in_part_left_out(const std::string& key) const {
    return left_out_below_ && key != *left_out_below_ && snapshot::is_within(key, *left_out_below_);
  }

  // What is not there is a difference and no trouble.
  void trouble(const std::string& path, const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return;
    troubled_.insert(path);
    activity_.report(path, error);
  }
  [[nodiscard]] bool is_troubled(const std::string& path) const {
    for (std::string above = path; above.size() > 1; above.resize(above.rfind('/'))) {
      if (troubled_.contains(above)) return true;
    }
    return troubled_.contains("/");
  }

  Result<void> advance() {
    head_ = TRY(tree_.next());
    if (head_ && !snapshot::is_within(head_->key, within_)) head_.reset();
    return {};
  }

  Result<void> take_removed() {
    TreeItem item = *std::move(head_);
    TRY(advance());
    const std::string path = snapshot::path_from_key(item.key);
    if (is_in_part_left_out(item.key) || is_troubled(path)) return {};
    return tell(
        {.path = path, .kind = ChangeKind::kRemoved, .before = std::move(item.entry), .after = {}});
  }

  Result<void> take(SourceItem& item) {
    while (head_ && head_->key < item.key) TRY(take_removed());
    if (!head_ || head_->key != item.key) return take_added(item);
    const Entry before = std::move(head_->entry);
    TRY(advance());
    if (before.left_out != snapshot::LeftOut::kNothing) left_out_below_ = item.key;
    item.entry.left_out = before.left_out;
    const std::string path = snapshot::path_from_key(item.key);
    if (looks_the_same(item.entry, before)) return {};
    if (item.entry.type == before.type) {
      const auto completed = complete(item, before);
      if (!completed) {
        trouble(path, completed.error());
        return {};
      }
      if (without_place(item.entry) == without_place(before)) return {};
    }
    return tell(
        {.path = path, .kind = kind_of(before, item.entry), .before = before, .after = item.entry});
  }

  Result<void> take_added(const SourceItem& item) {
    const std::string path = snapshot::path_from_key(item.key);
    if (left_out_.has(path, item.entry) || left_out_.was_unreadable(path)) return {};
    return tell({.path = path, .kind = ChangeKind::kAdded, .before = {}, .after = item.entry});
  }

  // Reads what a look does not tell, and of a file the bytes: those that are as before are said by
  // the same content, others by none.
  Result<void> complete(SourceItem& item, const Entry& before) {
    if (item.entry.type != EntryType::kFile) {
      source_->read_attributes(item);
      return {};
    }
    const auto reader = TRY(source_->open(item));
    if (item.entry.size_bytes == before.size_bytes && TRY(has_bytes(*reader, before)))
      item.entry.content = before.content;
    return {};
  }

  Result<bool> has_bytes(source::FileReader& reader, const Entry& before) {
    InOrder bytes(reader);
    Bytes piece;
    bool same = true;
    const auto compare = [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
      if (!same) return {};
      if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      same = TRY(extent.kind == snapshot::ExtentKind::kChunk ? has_chunk(bytes, extent, piece)
                                                             : has_zeros(bytes, extent, piece));
      activity_.progress.bytes_done += extent.length;
      return {};
    };
    TRY(snapshot::for_each_extent(before.content, before.size_bytes, repository_, compare));
    return same;
  }

  Result<bool> has_chunk(InOrder& bytes, const snapshot::Extent& extent, Bytes& piece) const {
    piece.resize(extent.length);
    if (!TRY(bytes.fill(piece))) return false;
    return repository_.chunk_id(piece) == extent.id;
  }

  static Result<bool> has_zeros(InOrder& bytes, const snapshot::Extent& extent, Bytes& piece) {
    for (std::uint64_t left = extent.length; left > 0; left -= piece.size()) {
      piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kZerosAtOnce)));
      if (!TRY(bytes.fill(piece))) return false;
      if (std::ranges::any_of(piece, [](std::uint8_t byte) { return byte != 0; })) return false;
    }
    return true;
  }

  Result<void> tell(const Change& change) {
    count_change(report_, change);
    return each_(change);
  }

  repo::Repository& repository_;
  const LeftOut left_out_;
  const std::function<Result<void>(const Change&)>& each_;
  Activity& activity_;
  snapshot::TreeCursor tree_;
  std::unique_ptr<source::Source> source_;
  std::string within_;            // key
  std::optional<TreeItem> head_;  // the first that the walk has not reached; nothing at the end
  std::optional<std::string> left_out_below_;  // key of a folder of which only marks were kept
  std::set<std::string> troubled_;
  DiffReport report_;
};

// The paths of the snapshot as far as they lie in `path`, or that one as far as it lies in them.
std::vector<std::string> common_roots(const std::vector<std::string>& paths,
                                      const std::string& path) {
  std::vector<std::string> roots;
  for (const std::string& root : paths) {
    if (root == path || is_below(root, path)) roots.push_back(root);
    if (is_below(path, root)) roots.push_back(path);
  }
  std::ranges::sort(roots);
  const auto repeated = std::ranges::unique(roots);
  roots.erase(repeated.begin(), repeated.end());
  return roots;
}

}  // namespace

Result<DiffReport> diff_with_files(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                                   const std::string& path,
                                   const std::function<Result<void>(const Change&)>& each,
                                   Activity& activity) {
  const std::vector<std::string> roots = common_roots(snapshot.paths, path);
  if (roots.empty()) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, "the snapshot covers nothing of " + path)
            .with_hint(fmt::format("It is of {}.", fmt::join(snapshot.paths, ", "))));
  }
  LeftOut left_out = TRY(LeftOut::of(snapshot));
  return LiveDiff(repository, snapshot, std::move(left_out), each, activity).run(path, roots);
}

}  // namespace backstay::engine
