// Merging sorted runs into one stream (docs/format.md section 5.5).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "repo/index_run.h"

namespace backstay::repo {

// All entries of the packs, numbered by their place in `packs`, unsorted.
[[nodiscard]] std::vector<IndexRun::Entry> entries_of(const std::vector<PackEntries>& packs);
// The order of entries in a run: by id, then by place.
[[nodiscard]] bool entry_before(const IndexRun::Entry& a, const IndexRun::Entry& b);

// Gives the entries of several runs in order, without exact duplicates, with packs renumbered to a
// table of all their packs. Memory: the table and one cursor a run.
class RunMerge {
 public:
  explicit RunMerge(std::vector<std::shared_ptr<const IndexRun>> runs);
  // Counts first, because a run states its length up front.
  [[nodiscard]] IndexRunWriter::Head head(std::uint64_t generation);
  std::optional<IndexRun::Entry> next();

 private:
  struct Cursor {
    std::shared_ptr<const IndexRun> run;
    std::vector<std::uint32_t> pack_numbers;  // the run's pack number -> number in the merged table
    std::uint64_t at = 0;
    std::optional<IndexRun::Entry> entry;
  };
  void load(Cursor& cursor);
  void rewind();

  std::vector<Cursor> cursors_;
  std::vector<PackEntries> packs_;
  std::optional<IndexRun::Entry> last_;
};

}  // namespace backstay::repo
