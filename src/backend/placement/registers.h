// Control objects as registers that are written once, on all stores of a map
// (docs/placement-format.md section 4, which says why this is one register).
#pragma once

#include <functional>
#include <string_view>
#include <vector>

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
  [[nodiscard]] StoreMask there() const;
  [[nodiscard]] StoreMask damaged() const;
  [[nodiscard]] StoreMask holding(const ValueId& value) const;
};

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

  // Puts tombstones until they decide; unavailable when they do not.
  Result<void> entomb(std::string_view name, StoreMask standing) const;
  // The copies, and the tombstones, that decide are on other stores than these from now on.
  Result<void> secure_without(std::string_view name, StoreMask failed) const;
  Result<void> entomb_without(std::string_view name, StoreMask failed) const;
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
  StoreMask remove_copies(std::string_view name) const;
  Result<void> claim(std::string_view name, const Made& made) const;

  const View& view_;
};

}  // namespace backstay::backend::placement
