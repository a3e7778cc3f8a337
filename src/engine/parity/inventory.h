// What parity there is, and what it covers (docs/format.md section 10.1).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/parity.h"
#include "repo/generation.h"
#include "repo/lease.h"
#include "repo/pack_survey.h"
#include "repo/parity_object.h"

namespace backstay::engine::parity_stages {

struct ParityObject {
  std::string name;
  std::uint64_t size_bytes = 0;
  repo::ParityHead head;
};

struct ParityGroup {
  repo::ParityGroupId id;
  repo::ParityDirectory directory;                  // of any shard; its number says nothing
  std::vector<std::optional<ParityObject>> shards;  // by number; nothing where there is none

  [[nodiscard]] bool complete() const;
  [[nodiscard]] const ParityObject& any_shard() const;
};

enum class PackState : std::uint8_t {
  kWhole,      // there, as far as is known without reading it
  kCondemned,  // going; perhaps gone
  kLost,       // missing, of another length, or marked as damaged
  kRemoved,    // missing, and a collection said that it would be
};

struct Inventory {
  repo::ParityWish wish;
  std::vector<ParityGroup> groups;  // those that serve best first
  std::vector<ParityObject> copies;
  std::vector<ParityObject> removals;
  std::vector<ObjectTrouble> damaged;  // parity objects that cannot be understood
  repo::ListedPacks packs;             // that are there
  std::unordered_set<repo::ObjectId> marked;
  std::unordered_set<repo::ObjectId> condemned;
  std::unordered_set<repo::ObjectId> removed;
  std::uint64_t parity_bytes = 0;

  [[nodiscard]] PackState state_of(const repo::ParityMember& member) const;
  // The members whose loss would hurt: neither condemned nor removed.
  [[nodiscard]] std::vector<repo::ParityMember> wanted(const ParityGroup& group) const;
  [[nodiscard]] bool has_lost(const ParityGroup& group) const;
  // Those that serve best first.
  void sort_groups();
  // At the end, in the place of one that is the same.
  void put(ParityGroup group);
  void drop(const repo::ParityGroupId& group);
  // For each group the members that no group before it has. A group without any is left over.
  [[nodiscard]] std::vector<std::vector<repo::ParityMember>> owned() const;
};

// Parity first, packs afterwards: of what is made or removed meanwhile by others, each pack of a
// group was there.
Result<Inventory> take_inventory(const ParityPlace& place, Activity& activity);
// A lease that writes. What is condemned is read after it (docs/format.md section 8.3): take the
// inventory then.
Result<std::unique_ptr<repo::Lease>> take_parity_lease(const ParityPlace& place,
                                                       const ParityOptions& options,
                                                       std::string_view operation);

inline constexpr const char* kRepairOperation = "parity repair";

[[nodiscard]] inline std::string pack_name(const repo::ParityMember& member) {
  return repo::object_name(repo::object_kind(member.kind), member.pack);
}

// Removes the shards of a group. False when the store keeps one; other failures are failures.
Result<bool> remove_group(const ParityPlace& place, const ParityGroup& group);

}  // namespace backstay::engine::parity_stages
