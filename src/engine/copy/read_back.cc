#include "engine/copy/read_back.h"

#include <algorithm>

#include "base/byte_size.h"
#include "base/try.h"
#include "engine/copy/snapshot_file.h"
#include "engine/copy/tree_pairs.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::copying {

namespace {

constexpr std::size_t kFramesOfOneSide = 8 * kMiB;
constexpr std::size_t kPieceBytes = kMiB;

// Of what a snapshot says of itself, all that a copy takes over.
bool says_the_same(const snapshot::Snapshot& one, const snapshot::Snapshot& other) {
  return one.started == other.started && one.finished == other.finished && one.host == other.host &&
         one.user == other.user && one.paths == other.paths &&
         one.description == other.description && one.type == other.type &&
         one.status == other.status && one.errors == other.errors &&
         one.excludes == other.excludes && one.user_names == other.user_names &&
         one.group_names == other.group_names && one.tree.entries == other.tree.entries;
}

// Two trees, of which an entry with the same content on both sides needs not be read again.
class PairBefore {
 public:
  PairBefore(repo::Repository& from, const snapshot::TreeRoot& original, repo::Repository& to,
             const snapshot::TreeRoot& copy)
      : original_(from, original), copy_(to, copy) {}

  Result<bool> has(const snapshot::TreeItem& original, const snapshot::TreeItem& copy) {
    while (!ended_ && (!head_original_ || head_original_->key < original.key)) {
      head_original_ = TRY(original_.next());
      head_copy_ = TRY(copy_.next());
      ended_ = !head_original_ || !head_copy_;
    }
    return !ended_ && head_original_->key == original.key && head_copy_->key == original.key &&
           head_original_->entry.content == original.entry.content &&
           head_copy_->entry.content == copy.entry.content;
  }

 private:
  snapshot::TreeCursor original_;
  snapshot::TreeCursor copy_;
  std::optional<snapshot::TreeItem> head_original_;
  std::optional<snapshot::TreeItem> head_copy_;
  bool ended_ = false;
};

}  // namespace

ReadBack::ReadBack(repo::Repository& from, repo::Repository& to, Activity& activity)
    : from_(from),
      to_(to),
      activity_(activity),
      frames_of_original_(kFramesOfOneSide),
      frames_of_copy_(kFramesOfOneSide) {}

// Where data ends and holes begin is compared as well.
Result<void> ReadBack::compare_bytes(const snapshot::Entry& original, const snapshot::Entry& copy) {
  SnapshotFile left(from_, frames_of_original_, original);
  SnapshotFile right(to_, frames_of_copy_, copy);
  Bytes one(kPieceBytes);
  Bytes other(kPieceBytes);
  while (true) {
    const auto run = TRY(left.next_run());
    const auto run_of_copy = TRY(right.next_run());
    if (!run && !run_of_copy) return {};
    if (!run || !run_of_copy || run->offset != run_of_copy->offset ||
        run->length != run_of_copy->length || run->hole != run_of_copy->hole)
      return fail(ErrorCode::kCorruption, "its holes");
    for (std::uint64_t done = 0; !run->hole && done < run->length;) {
      if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      const auto wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, run->length - done));
      const MutableByteView a = MutableByteView(one).first(wanted);
      const MutableByteView b = MutableByteView(other).first(wanted);
      if (TRY(left.read(a)) != wanted || TRY(right.read(b)) != wanted || !std::ranges::equal(a, b))
        return fail(ErrorCode::kCorruption, "its bytes");
      done += wanted;
      bytes_compared_ += wanted;
      activity_.progress.bytes_done += wanted;
    }
  }
}

Result<void> ReadBack::compare_trees(const Trees& trees) {
  TreePairs pairs(from_, trees.original, to_, trees.copy);
  std::optional<PairBefore> before;
  if (before_) before.emplace(from_, before_->original, to_, before_->copy);
  while (const auto pair = TRY(pairs.next())) {
    const auto& [wanted, got] = *pair;
    ++activity_.progress.files_done;
    if (wanted.entry.type != snapshot::EntryType::kFile) continue;
    if (before && TRY(before->has(wanted, got))) continue;
    const bool covered = snapshot::covered_bytes(wanted.entry.content) == wanted.entry.size_bytes &&
                         snapshot::covered_bytes(got.entry.content) == got.entry.size_bytes;
    if (!covered) return fail_comparison(got.key, "the length of its content");
    TRY_DOING("comparing " + snapshot::path_from_key(got.key),
              compare_bytes(wanted.entry, got.entry));
  }
  return {};
}

Result<void> ReadBack::compare(const snapshot::Snapshot& original, const snapshot::Snapshot& copy) {
  if (!says_the_same(original, copy))
    return fail(ErrorCode::kCorruption, "the copy says something else of itself than the original");
  const Trees trees{.original = original.tree, .copy = copy.tree};
  activity_.progress.files_done = activity_.progress.bytes_done = 0;
  activity_.progress.files_total = original.tree.entries;
  activity_.progress.bytes_total = original.stats.bytes_total;
  TRY(compare_trees(trees));
  before_ = trees;
  return {};
}

}  // namespace backstay::engine::copying
