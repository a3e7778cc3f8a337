#include "foreign/restic/restic_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/try.h"
#include "foreign/folders_above.h"
#include "io/node.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::restic {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

constexpr std::size_t kNamesMax = 5000;  // a snapshot has room for these
constexpr std::size_t kNameBytesMax = 256;

// The pieces of a file stand in its entry as extents until it is opened; one that no index knows
// has no length.
void put_pieces(const Pieces& pieces, const std::vector<Id>& content, Entry& entry) {
  std::uint64_t bytes = 0;
  bool all_known = true;
  entry.content.extents.reserve(content.size());
  for (const Id& id : content) {
    const auto at = pieces.find(id);
    const std::uint64_t length = at ? at->plain_bytes : 0;
    all_known = all_known && at.has_value();
    bytes += length;
    entry.content.extents.push_back(
        {.kind = snapshot::ExtentKind::kChunk, .length = length, .id = chunk::ChunkId{id.bytes}});
  }
  // restic notes the size before it reads; what was read counts.
  if (all_known) entry.size_bytes = bytes;
}

class ResticFile final : public source::FileReader {
 public:
  ResticFile(const Pieces& pieces, Entry entry, std::vector<Id> content)
      : pieces_(pieces), entry_(std::move(entry)), content_(std::move(content)) {}

  Result<std::optional<source::FileRun>> next_run() override {
    if (std::exchange(given_, true) || entry_.size_bytes == 0) return std::nullopt;
    return source::FileRun{.offset = 0, .length = entry_.size_bytes, .hole = false};
  }

  Result<std::size_t> read(MutableByteView out) override {
    while (position_ == piece_.size()) {
      if (next_ == content_.size()) return std::size_t{0};
      // A long run of zeros is one piece many times.
      if (next_ == 0 || content_[next_] != content_[next_ - 1])
        piece_ = TRY(pieces_.read(content_[next_], kFilePieceMax));
      ++next_;
      position_ = 0;
    }
    const std::size_t part = std::min(out.size(), piece_.size() - position_);
    std::memcpy(out.data(), piece_.data() + position_, part);
    position_ += part;
    return part;
  }

  // Nobody changes it meanwhile.
  Result<Entry> entry_now() override { return entry_; }

 private:
  const Pieces& pieces_;
  const Entry entry_;
  const std::vector<Id> content_;
  std::size_t next_ = 0;
  Bytes piece_;
  std::size_t position_ = 0;
  bool given_ = false;
};

}  // namespace

ResticSource::ResticSource(const Pieces& pieces, ResticTree tree, std::optional<ResticTree> before,
                           Timestamp when, ForeignHooks hooks)
    : pieces_(pieces),
      tree_(std::move(tree)),
      when_(when),
      hooks_(std::move(hooks)),
      walk_(std::in_place, pieces, tree_.root, tree_.base) {
  if (before) before_.emplace(pieces, before->root, std::move(before->base));
}

Result<void> ResticSource::rewind() {
  walk_.emplace(pieces_, tree_.root, tree_.base);
  before_.reset();
  before_head_.reset();
  same_below_.clear();
  above_.clear();
  above_given_ = false;
  told_ = true;
  return {};
}

// The tree before is walked beside this one; a folder whose tree has the same id there is not
// looked into.
bool ResticSource::same_before(const WalkedNode& now) {
  if (!same_below_.empty() && snapshot::is_within(now.key, same_below_)) return true;
  same_below_.clear();
  while (before_ &&
         (!std::exchange(before_started_, true) || (before_head_ && before_head_->key < now.key))) {
    if (before_head_ && !snapshot::is_within(now.key, before_head_->key))
      before_->pass_over_folder();
    auto next = before_->next();
    if (!next) {
      before_.reset();
    } else {
      before_head_ = *std::move(next);
    }
  }
  if (!before_ || !before_head_ || before_head_->key != now.key) return false;
  if (now.node.subtree && now.node.subtree == before_head_->node.subtree) {
    before_->pass_over_folder();
    same_below_ = now.key;
  }
  return before_head_->node.entry && before_head_->node.entry->type == EntryType::kFile &&
         before_head_->node.content == now.node.content;
}

void ResticSource::learn_names(const Node& node) {
  const auto learn = [](std::map<std::uint32_t, std::string>& names, std::uint32_t number,
                        const std::string& name) {
    if (!name.empty() && name.size() <= kNameBytesMax && names.size() < kNamesMax)
      names.try_emplace(number, name);
  };
  learn(names_.users, node.entry->uid, node.user);
  learn(names_.groups, node.entry->gid, node.group);
}

source::SourceItem ResticSource::item_of(WalkedNode& found) {
  Node& node = found.node;
  const bool same = same_before(found);
  learn_names(node);
  const bool file = node.entry->type == EntryType::kFile;
  if (file) put_pieces(pieces_, node.content, *node.entry);
  return {.key = std::move(found.key),
          .entry = std::move(*node.entry),
          .complete = true,
          .read_anyway = file && !same};
}

Result<std::optional<source::SourceItem>> ResticSource::next() {
  if (!std::exchange(above_given_, true) && !tree_.base.empty()) {
    above_ = folders_between("", snapshot::child_key(tree_.base, "x"), when_);
    std::ranges::reverse(above_);
  }
  if (!above_.empty()) {
    source::SourceItem item = std::move(above_.back());
    above_.pop_back();
    return item;
  }
  while (auto found = TRY(walk_->next())) {
    if (found->node.entry) return item_of(*found);
    if (!told_) {
      hooks_.note(io::quoted(snapshot::path_from_key(found->key)) +
                  " is of a kind that restic itself cannot restore: it is left out");
    }
  }
  told_ = true;
  return std::nullopt;
}

Result<std::unique_ptr<source::FileReader>> ResticSource::open(source::SourceItem& item) {
  std::vector<Id> content;
  content.reserve(item.entry.content.extents.size());
  for (const snapshot::Extent& piece : item.entry.content.extents) {
    content.push_back(Id{piece.id.bytes});
    if (pieces_.find(content.back())) continue;
    return std::unexpected(Error(ErrorCode::kNotFound, "piece " + content.back().short_hex() +
                                                           " is in no index of restic's")
                               .with_hint(kIndexHint));
  }
  Entry entry = item.entry;
  entry.content = {};
  return std::make_unique<ResticFile>(pieces_, std::move(entry), std::move(content));
}

}  // namespace backstay::foreign::restic
