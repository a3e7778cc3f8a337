// Control objects as registers that are written once, on all stores of a map
// (docs/placement-format.md section 4, which says why this is one register).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/placement/burial.h"
#include "backend/placement/moment.h"
#include "backend/placement/part.h"
#include "backend/placement/view.h"

namespace backstay::backend::placement {

// What is to be created: its value, and how it gets into one store.
struct Made {
  ValueId value;
  std::function<Result<void>(Backend& store)> put;
  enum class Puts : std::uint8_t { kAtOnce, kOneAfterTheOther } puts = Puts::kAtOnce;
};

// What the stores answered about one name.
struct Look {
  struct Copy {
    bool there = false;
    bool whole = false;  // as far as was read
    PartHeader header;
    Bytes bytes;  // where all was read
  };
  StoreMask answered = 0;
  StoreMask tombstones = 0;
  std::vector<Copy> copies;
  std::vector<Burial> burials;  // as many
  std::optional<Moment> begun = {};
  [[nodiscard]] StoreMask there() const;
  [[nodiscard]] StoreMask damaged() const;
  [[nodiscard]] StoreMask holding(const ValueId& value) const;
  // Where a tombstone stands that names the value.
  [[nodiscard]] StoreMask hiding(const ValueId& value) const;
  // All values that no tombstone names, and who has them whole.
  [[nodiscard]] std::map<ValueId, StoreMask> values() const;
  // All values that are there.
  [[nodiscard]] std::set<ValueId> found() const;
};

// What the tombstones of one name say together; without values, all. Nothing where none can be
// read.
struct NamedBurial {
  std::string name;
  std::set<ValueId> values;
};
[[nodiscard]] std::optional<NamedBurial> gathered_burial(const View& view,
                                                         const std::string& tombstone,
                                                         StoreMask stores);
// What a tombstone for the name is to say. Where all copies are damaged nobody knows their value:
// one that nothing has stands for them.
[[nodiscard]] std::set<ValueId> values_to_bury(const Look& seen);

// As far as the header; a failure when the store cannot say.
Result<Look::Copy> look_at_header(Backend& store, std::string_view name);

// What was decided of a name.
struct Settled {
  bool there = false;
  bool entombed = false;  // it was removed, and that still stands
  PartHeader header;
  StoreMask holders = 0;
  Bytes bytes;  // where they were asked for
};

class Registers {
 public:
  // `view` outlives it.
  explicit Registers(const View& view) : view_(view) {}

  enum class Depth : std::uint8_t { kHeader, kWhole };
  // Fails with nothing; stores that did not answer are in `troubles`. Objects above size_max are
  // read as far as their header.
  Look look(std::string_view name, Depth depth, std::uint64_t size_max, Troubles& troubles) const;

  // Reads the name, and brings what was half-done to its end.
  Result<Settled> settle(std::string_view name, Depth depth, std::uint64_t size_max) const;

  // already_exists when another value was decided. The caller's value was decided otherwise.
  Result<void> create(std::string_view name, const Made& made) const;
  Result<void> remove(std::string_view name) const;

  // Puts tombstones of these values until they decide; unavailable when they do not. Where they
  // stand.
  Result<StoreMask> entomb(std::string_view name, const std::set<ValueId>& values,
                           StoreMask standing) const;
  // Of a name that was removed, as `seen` shows: takes away those copies, where a tombstone stands
  // beside them. Those that went.
  StoreMask clear_tomb(std::string_view name, const Look& seen) const;
  // The copies, and the tombstones, that decide are on other stores than these from now on.
  Result<void> secure_without(std::string_view name, StoreMask failed) const;
  Result<void> entomb_without(std::string_view name, const Look& seen, StoreMask failed) const;
  // For a name that has a tombstone: takes all of them away where no store has a copy.
  Result<void> open_tomb(std::string_view name) const;
  // Puts the copy that `holders` have where `targets` have none. Those that took it, or had it.
  StoreMask spread(std::string_view name, const ValueId& value, StoreMask holders,
                   StoreMask targets) const;

 private:
  // kAsItIs: what cannot be brought to its end now is judged as it is.
  enum class Patience : std::uint8_t { kTryAgain, kAsItIs };
  Result<std::optional<Settled>> judge(std::string_view name, const Look& look,
                                       const Troubles& troubles, Patience patience) const;
  Result<std::optional<Settled>> judge_values(std::string_view name, const Look& look,
                                              const Troubles& troubles, Patience patience) const;
  Result<std::optional<Settled>> judge_winner(std::string_view name, const Look& look,
                                              const ValueId& value, Patience patience) const;
  // Takes other values from these stores and puts the one that won there. Those that took it.
  StoreMask displace(std::string_view name, const ValueId& winner, const Look& look,
                     StoreMask rivals) const;
  // All have something, and nobody's value can be decided: removes the name.
  Result<void> bury_undecided(std::string_view name) const;
  // Whether the view's map is the newest that was decided, or begun.
  Result<bool> is_newest_map() const;
  // For names that have both, copies and tombstones.
  Result<std::optional<Settled>> judge_tomb(std::string_view name, const Look& look,
                                            const Troubles& troubles, Patience patience) const;
  void drop_stale_tombstones(std::string_view name, const Look& look, const ValueId& alive) const;
  enum class Beside : std::uint8_t { kTombstone, kNothing };
  // Those copies that `seen` shows, and nothing that came since.
  StoreMask remove_copies(std::string_view name, const Look& seen, StoreMask stores,
                          Beside beside) const;
  Result<void> claim(std::string_view name, const Made& made) const;

  const View& view_;
};

}  // namespace backstay::backend::placement
