// Objects that are named by the hash of their bytes: on the owners of their partition, with
// stand-ins for those that are away (docs/placement-format.md section 5).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "backend/placement/part.h"
#include "backend/placement/registers.h"
#include "backend/placement/view.h"

namespace backstay::backend::placement {

class Bulk {
 public:
  // `view` outlives it.
  explicit Bulk(const View& view) : view_(view) {}

  Result<void> create(std::string_view name, const Made& made, std::uint64_t size_bytes) const;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) const;
  // `size_bytes` of the object where the caller knows it; else it is found and stored there.
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out,
                         std::optional<std::uint64_t>& size_bytes) const;
  Result<ObjectInfo> head(std::string_view name) const;
  Result<void> remove(std::string_view name) const;

  // Puts what is missing on owners; not_found, or corruption, where nothing whole is. How many
  // copies were put.
  Result<unsigned> complete(std::string_view name) const;
  // Enough whole copies are on other stores than these from now on.
  Result<void> secure_without(std::string_view name, StoreMask failed) const;
  // The owners of the name, in order.
  [[nodiscard]] std::vector<unsigned> owners_of(std::string_view name) const;

 private:
  struct Tried;
  struct Puts;
  template <typename T, typename Read>
  Result<std::optional<T>> read_pass(std::string_view name, const Read& read, Tried& tried) const;
  // Calls read(store) at one store after the other until one has it.
  template <typename T, typename Read>
  Result<T> read_anywhere(std::string_view name, const Read& read) const;
  Result<void> judge_absence(std::string_view name, const Tried& tried) const;
  Result<bool> is_entombed(std::string_view name) const;
  Result<bool> had_already(unsigned store, std::string_view name, const Made& made,
                           std::uint64_t size_bytes) const;
  // Those that own partitions now, beginning with the owners of this one.
  [[nodiscard]] std::vector<unsigned> takers_of(std::string_view name) const;

  const View& view_;
};

}  // namespace backstay::backend::placement
