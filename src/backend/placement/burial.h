// Tombstones: what was removed (docs/placement-format.md section 4.3).
#pragma once

#include <set>
#include <string_view>

#include "backend/backend.h"
#include "backend/placement/part.h"

namespace backstay::backend::placement {

// What a tombstone in one store says. It names the values that were removed: one that was stored
// anew is none of them, so that a tombstone that was forgotten somewhere does not hide it.
struct Burial {
  bool stands = false;
  bool all = false;  // every value: of objects that are never stored anew under their names
  std::set<ValueId> values = {};
  [[nodiscard]] bool hides(const ValueId& value) const {
    return stands && (all || values.contains(value));
  }
};

// Without values: all.
[[nodiscard]] Bytes encode_tombstone(std::string_view name, const std::set<ValueId>& values);
// corruption for anything that breaks a rule of the page, or is about another name.
Result<Burial> decode_tombstone(std::string_view name, ByteView bytes);
// Of what object it is the tombstone.
Result<std::string> name_of_tombstone(ByteView bytes);
// What stands in the store. One that cannot be read hides every value.
Result<Burial> read_burial(Backend& store, std::string_view name);

// Puts one that names these values; without any, all. One that is there and names others is from
// before the name was stored anew, and gives way to one that names both.
Result<void> put_tombstone(Backend& store, std::string_view name, const std::set<ValueId>& values);

inline constexpr std::size_t kTombstoneBytesMax = 64 * 1024;

}  // namespace backstay::backend::placement
