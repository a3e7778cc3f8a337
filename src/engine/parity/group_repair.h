// The packs of one group, brought back block by block.
//
// The blocks at one place of all packs and shards are a stripe. Which of them are damaged the block
// digests say, which every shard has, so that as long as each stripe has lost no more than there
// are shards everything comes back, however many packs are touched. Only stripes in which something
// is lost are read from all packs.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/page_buffer.h"
#include "engine/parity/inventory.h"

namespace backstay::engine::parity_stages {

class GroupRepair {
 public:
  // `found` says which packs are there at all. Both outlive this.
  GroupRepair(const ParityPlace& place, const Inventory& found, const ParityGroup& group,
              Activity& activity);

  // False when no shard of the group can be understood.
  Result<bool> begin();
  // Reads the pack, and rebuilds what is lost of it and of those that turn out to be damaged with
  // it.
  Result<void> examine(const repo::ParityMember& member);
  // Numbers of the shards that are damaged.
  Result<std::vector<unsigned>> damaged_shards();

  // Of packs that were looked at: those that are not what they should be.
  [[nodiscard]] std::vector<repo::ParityMember> damaged() const;
  // The whole pack, which matches its name. corruption when it cannot be had.
  Result<PageBuffer> assemble(const repo::ParityMember& member);
  [[nodiscard]] std::uint64_t bytes_rebuilt(const repo::ParityMember& member) const;
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Part {  // of the group: a pack, or a shard
    std::string name;
    std::uint64_t object_bytes = 0;  // where it is read: 0 when it is not there
    std::uint64_t at = 0;            // of its first byte in the object
    std::uint64_t size_bytes = 0;
    std::vector<repo::BlockDigest> digests;
    bool examined = false;
    bool beyond_repair = false;
    std::set<std::uint64_t> bad;             // blocks
    std::map<std::uint64_t, Bytes> rebuilt;  // of those
  };
  [[nodiscard]] std::size_t index_of(const repo::ParityMember& member) const;
  [[nodiscard]] std::size_t length_of(const Part& part, std::uint64_t block) const;
  // False when the block is lost.
  Result<bool> read_block(const Part& part, std::uint64_t block, MutableByteView out);
  Result<void> examine(std::size_t index);
  Result<void> solve(std::uint64_t block);
  Result<void> rebuild(std::uint64_t block, std::size_t length,
                       const std::vector<std::size_t>& lost);
  [[nodiscard]] std::uint8_t* room(std::size_t index) const {
    return stripe_.data() + index * group_.directory.block_bytes;
  }

  const ParityPlace& place_;
  const Inventory& found_;
  const ParityGroup& group_;
  Activity& activity_;
  std::vector<Part> parts_;   // in the order of the directory
  std::vector<Part> shards_;  // by number
  PageBuffer stripe_;         // a block of each pack, and of each shard
  std::set<std::uint64_t> to_solve_;
  std::set<std::uint64_t> solved_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace backstay::engine::parity_stages
