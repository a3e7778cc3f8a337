// What a collection does with which pack: decided from the index alone, before anything changes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "repo/pack_table.h"

namespace backstay::repo {

struct PruneLimits {
  double unused_share_max = 0.05;  // of what is needed; what is above it is repacked away
  std::optional<std::uint64_t> repack_bytes_max;  // of packs that are emptied
  // Packs below this size are put together, where there are at least two; 0: no.
  std::uint64_t small_data_bytes = 0;
  std::uint64_t small_meta_bytes = 0;
};

enum class Strays : std::uint8_t { kMayGo, kStay };

// Numbers in the table.
struct PrunePlan {
  std::vector<std::uint32_t> drop;    // nothing in them is needed
  std::vector<std::uint32_t> rescue;  // condemned, and needed after all: copied first
  std::vector<std::uint32_t> repack;  // partly needed, those that give most for least first
  std::uint64_t drop_bytes = 0;
  std::uint64_t repack_bytes = 0;         // of the packs of rescue and repack
  std::uint64_t repack_needed_bytes = 0;  // about what is read of them and written again
  std::uint64_t needed_bytes = 0;         // about, in all packs
  std::uint64_t unused_bytes = 0;         // about, in packs that are kept as they are
};
[[nodiscard]] PrunePlan plan_prune(const PackTable& table, const PruneLimits& limits,
                                   Strays strays);

// About what of the pack's stored bytes is needed.
[[nodiscard]] std::uint64_t needed_bytes_of(const PackUse& use);

}  // namespace backstay::repo
