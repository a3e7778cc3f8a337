// Objects that are named by the hash of their bytes: on the owners of their partition, with
// stand-ins for those that are away (docs/placement-format.md section 5).
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/placement/mending.h"
#include "backend/placement/part.h"
#include "backend/placement/readers.h"
#include "backend/placement/registers.h"
#include "backend/placement/shard.h"
#include "backend/placement/view.h"

namespace backstay::backend::placement {

// An object that is stored: its value, and how the part of each number gets into a store. All
// copies are the same.
struct NewObject {
  ValueId value;
  std::uint64_t size_bytes = 0;
  std::function<Result<void>(Backend& store, unsigned part)> put;
  Made::Puts puts = Made::Puts::kAtOnce;
};

// What the stores answered about the parts of one name, from their headers.
struct PartsLook {
  struct Part {
    bool there = false;
    bool whole = false;  // as far as was read
    PartHeader header;
  };
  StoreMask answered = 0;
  StoreMask tombstones = 0;
  std::vector<Part> parts;
  [[nodiscard]] StoreMask there() const;
  [[nodiscard]] StoreMask whole() const;
  // Of the parts that are whole on these stores, the numbers, as a mask.
  [[nodiscard]] std::uint64_t indices_on(StoreMask stores) const;
};

// Of which `data` parts are needed; another kind counts as damaged.
Result<PartsLook::Part> look_at_part(Backend& store, std::string_view name, unsigned data);

class Bulk {
 public:
  // All outlive it. Where nothing is mended there is no `mending`.
  Bulk(const View& view, Readers& readers, Mending* mending = nullptr)
      : view_(view), readers_(readers), mending_(mending) {}

  Result<void> create(std::string_view name, const NewObject& object) const;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) const;
  // `size_bytes` of the object where the caller knows it; else it is found and stored there.
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out,
                         std::optional<std::uint64_t>& size_bytes) const;
  Result<ObjectInfo> head(std::string_view name) const;
  // As any part says. For what is known to be there.
  Result<std::uint64_t> size_of(std::string_view name) const;
  Result<void> remove(std::string_view name) const;

  // Puts what is missing on owners; not_found, or corruption, where nothing whole is. How many
  // parts were put.
  Result<unsigned> complete(std::string_view name) const;
  // Puts again what these stores have damaged, where others are whole, and what is missing. How
  // many parts were put. Stores that keep what they have are left alone.
  Result<unsigned> mend(std::string_view name, StoreMask damaged) const;
  // Of shards: puts into an empty store, which does not count yet, the part that it should have.
  // The bytes that were put. Where too few others are whole, corruption, or not_found where nothing
  // is damaged.
  Result<std::uint64_t> fill_store(std::string_view name, unsigned store, Backend& opened) const;
  // Enough whole parts are on other stores than these from now on.
  Result<void> secure_without(std::string_view name, StoreMask failed) const;
  // The owners of the name, in order.
  [[nodiscard]] std::vector<unsigned> owners_of(std::string_view name) const;
  // Reads the headers on all stores, and asks for tombstones after them.
  PartsLook look(std::string_view name, Troubles& troubles) const;
  // Whether every owner has a whole part and no two the same, so that no other store is needed.
  [[nodiscard]] bool owners_have_all(std::string_view name) const;

 private:
  struct Tried;
  struct Puts;
  class Window;
  class Whole;
  [[nodiscard]] unsigned data() const { return view_.map().redundancy.data; }
  [[nodiscard]] unsigned width() const { return view_.map().redundancy.width(); }

  Result<PartHeader> find_header(std::string_view name, Tried& tried) const;
  Result<std::optional<Bytes>> get_whole(std::string_view name, std::uint64_t size_max,
                                         Tried& tried) const;
  Result<Bytes> get_by_blocks(std::string_view name, std::uint64_t size_max) const;
  Result<void> read_window(std::string_view name, const Stripes& stripes, std::uint64_t offset,
                           MutableByteView out, Tried& tried) const;
  // What a read that succeeded says of stores on its way.
  Result<void> judge_presence(std::string_view name, const Tried& tried) const;
  [[nodiscard]] std::unexpected<Error> judge_absence(std::string_view name,
                                                     const Tried& tried) const;
  Result<bool> is_entombed(std::string_view name) const;
  // The number of the part, where the store has one of the same object already.
  Result<std::optional<unsigned>> had_already(unsigned store, std::string_view name,
                                              const NewObject& object) const;
  void put_part(std::string_view name, const NewObject& object, unsigned store, unsigned part,
                Puts& puts) const;
  // Those that own partitions now, beginning with the owners of this one.
  [[nodiscard]] std::vector<unsigned> takers_of(std::string_view name) const;

  Result<void> drop_damaged(std::string_view name, const PartsLook& seen, StoreMask damaged,
                            StoreMask bad) const;
  Result<bool> is_damaged(unsigned store, std::string_view name) const;
  Result<unsigned> complete_copies(std::string_view name) const;
  Result<unsigned> complete_shards(std::string_view name) const;
  Result<void> secure_shards_without(std::string_view name, StoreMask failed) const;
  // The part of that number on that store: passed on from another, or made from others.
  Result<void> bring_part(std::string_view name, const PartsLook& seen, unsigned part,
                          Backend& to) const;
  Result<bool> remove_twin(std::string_view name, const PartsLook& seen, unsigned store) const;
  Result<void> make_part(std::string_view name, const PartHeader& header, Backend& to) const;

  const View& view_;
  Readers& readers_;
  Mending* const mending_;
};

}  // namespace backstay::backend::placement
