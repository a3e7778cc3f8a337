// Two walkers go through both trees in key order. Where both stand before the same page, both step
// over it: what did not change is never read. Otherwise the walker that is behind opens its page;
// of two that stand at the same key the one with the higher page does, so that the levels of trees
// of different height meet.
#include "base/try.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"
#include "snapshot/tree_walker.h"

namespace backstay::snapshot {

namespace {

using EachChange = std::function<Result<void>(const TreeChange&)>;

Result<Entry> entry_at(const TreeWalker& walker) {
  return TRY_DOING("reading the entry of " + path_from_key(walker.key()),
                   decode_entry(walker.record()));
}

Result<void> report_removed(TreeWalker& before, const EachChange& each) {
  TRY(each({before.key(), TRY(entry_at(before)), std::nullopt}));
  before.step();
  return {};
}

Result<void> report_added(TreeWalker& after, const EachChange& each) {
  TRY(each({after.key(), std::nullopt, TRY(entry_at(after))}));
  after.step();
  return {};
}

// Both stand on items of the same key. Records are canonical: equal entries are equal bytes.
Result<void> compare_items(TreeWalker& before, TreeWalker& after, const EachChange& each) {
  if (as_text(before.record()) != as_text(after.record())) {
    TRY(each({before.key(), TRY(entry_at(before)), TRY(entry_at(after))}));
  }
  before.step();
  after.step();
  return {};
}

bool stand_before_the_same_page(const TreeWalker& before, const TreeWalker& after) {
  return before.at_page() && after.at_page() && before.page().ref == after.page().ref;
}

// One of them stands before a page, and it is this one that must be opened to go on.
bool must_open(const TreeWalker& walker, const TreeWalker& other) {
  if (!walker.at_page()) return false;
  if (other.at_end()) return true;
  const int order = walker.position().compare(other.position());
  if (order != 0) return order < 0;
  return !other.at_page() || walker.page().level >= other.page().level;
}

Result<void> advance_both(TreeWalker& before, TreeWalker& after, const EachChange& each) {
  if (stand_before_the_same_page(before, after)) {
    before.skip_page();
    after.skip_page();
    return {};
  }
  if (must_open(before, after)) return before.open();
  if (must_open(after, before)) return after.open();
  if (after.at_end()) return report_removed(before, each);
  if (before.at_end()) return report_added(after, each);
  const int order = before.position().compare(after.position());
  if (order < 0) return report_removed(before, each);
  if (order > 0) return report_added(after, each);
  return compare_items(before, after, each);
}

}  // namespace

Result<void> diff_trees(chunk::ChunkReader& pages, const TreeRoot& before, const TreeRoot& after,
                        const EachChange& each) {
  TreeWalker before_walker(pages, before);
  TreeWalker after_walker(pages, after);
  while (!before_walker.at_end() || !after_walker.at_end()) {
    TRY(advance_both(before_walker, after_walker, each));
  }
  return {};
}

// Pages that both trees share begin at the same key, so that either both are within or none is.
static Result<void> diff_until(chunk::ChunkReader& pages, const TreeRoot& before,
                               const TreeRoot& after, std::string_view key, const EachChange& each,
                               const bool& enough) {
  if (before == after) return {};
  TreeWalker before_walker(pages, before);
  TreeWalker after_walker(pages, after);
  TRY(before_walker.seek(key));
  TRY(after_walker.seek(key));
  const std::string end = key_after_subtree(key);
  const auto is_inside = [&](const TreeWalker& walker) {
    return !walker.at_end() && (key.empty() || walker.position() < end);
  };
  while (!enough && (is_inside(before_walker) || is_inside(after_walker))) {
    TRY(advance_both(before_walker, after_walker, each));
  }
  return {};
}

Result<void> diff_trees_within(chunk::ChunkReader& pages, const TreeRoot& before,
                               const TreeRoot& after, std::string_view key,
                               const EachChange& each) {
  return diff_until(pages, before, after, key, each, false);
}

Result<bool> differ_within(chunk::ChunkReader& pages, const TreeRoot& before, const TreeRoot& after,
                           std::string_view key,
                           const std::function<bool(const TreeChange&)>& counts) {
  bool found = false;
  const auto note = [&](const TreeChange& change) -> Result<void> {
    found = found || counts(change);
    return {};
  };
  TRY(diff_until(pages, before, after, key, note, found));
  return found;
}

}  // namespace backstay::snapshot
