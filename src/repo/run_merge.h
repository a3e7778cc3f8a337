// Merging sorted runs into one stream (docs/format.md section 5.5).
#pragma once

#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "repo/index_object.h"
#include "repo/index_run.h"

namespace backstay::repo {

// All entries of the packs, numbered by their place in `packs`, unsorted.
[[nodiscard]] std::vector<IndexRun::Entry> entries_of(const std::vector<PackEntries>& packs);
// The order of entries in a run: by id, then by place.
[[nodiscard]] bool entry_before(const IndexRun::Entry& a, const IndexRun::Entry& b);

// Gives the entries of several runs in order, without exact duplicates and without those of packs
// that are dropped, with packs renumbered to a table of all that are left. Memory: the table and
// one cursor a run.
class RunMerge {
 public:
  explicit RunMerge(std::vector<std::shared_ptr<const IndexRun>> runs,
                    const std::unordered_set<ObjectId>& dropped = {});
  [[nodiscard]] const std::vector<PackEntries>& packs() const { return packs_; }
  // Counts first, because a run states its length up front. Superseded are the merged runs, and of
  // those that they superseded the ones that are `lingering` in the store.
  [[nodiscard]] IndexRunWriter::Head head(std::uint64_t generation,
                                          const std::unordered_set<ObjectId>& lingering);
  std::optional<IndexRun::Entry> next();

 private:
  struct Cursor {
    std::shared_ptr<const IndexRun> run;
    std::vector<std::uint32_t> pack_numbers;  // the run's pack number -> number in the merged table
    std::uint64_t at = 0;
    std::optional<IndexRun::Entry> entry;
  };
  static constexpr std::uint32_t kDropped = ~std::uint32_t{0};

  void load(Cursor& cursor);
  void load_group();
  void rewind();

  std::vector<Cursor> cursors_;
  std::vector<PackEntries> packs_;
  std::vector<IndexRun::Entry> group_;  // the places of one chunk
  std::size_t group_at_ = 0;
};

}  // namespace backstay::repo
