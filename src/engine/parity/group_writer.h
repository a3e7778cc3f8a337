// Makes the shards of a group: from its packs, or from the shards of an older group and the packs
// that come or go.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/page_buffer.h"
#include "engine/parity/inventory.h"

namespace backstay::engine::parity_stages {

struct GroupPlan {
  const ParityGroup* base = nullptr;          // nothing: a new one
  std::vector<repo::ParityMember> taken_out;  // of the base
  std::vector<repo::ParityMember> put_in;     // in free slots, which are given here
  unsigned shards = 0;
  unsigned slots = 0;
  std::uint32_t block_bytes = 0;
};

class GroupWriter {
 public:
  GroupWriter(const ParityPlace& place, Activity& activity) : place_(place), activity_(activity) {}

  // Puts the shards; they are durable after the next barrier. Packs to put in that are damaged or
  // gone are left out, and named in skipped(). Nothing when no pack is left. corruption when the
  // base, or a pack to be taken out, is not what it was.
  Result<std::optional<ParityGroup>> write(const GroupPlan& plan);

  // A group of this pack alone, of bytes that need not be in the store.
  Result<ParityGroup> write_alone(const repo::ParityMember& member, ByteView bytes,
                                  std::uint32_t block_bytes);

  [[nodiscard]] const std::unordered_set<repo::ObjectId>& skipped() const { return skipped_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  using Digests = std::vector<repo::BlockDigest>;
  struct Row {  // a pack in the new group
    repo::ParityMember member;
    Digests digests;
  };

  Result<void> load_base(const GroupPlan& plan);
  Result<void> take_out(const repo::ParityMember& member);
  Result<void> put_in(const repo::ParityMember& member);
  Result<ByteView> read_pack(const repo::ParityMember& member);
  void add(const repo::ParityMember& member, ByteView bytes);
  void update(unsigned slot, ByteView bytes);
  Result<ParityGroup> put_shards(const GroupPlan& plan);

  const ParityPlace& place_;
  Activity& activity_;
  PageBuffer pack_;
  std::vector<PageBuffer> shards_;
  std::vector<Row> rows_;
  std::uint32_t block_bytes_ = 0;
  std::unordered_set<repo::ObjectId> skipped_;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_written_ = 0;
};

// Somebody else may have put the same bytes; damaged ones of that name are replaced.
Result<void> put_parity_object(const ParityPlace& place, const std::string& name,
                               std::span<const ByteView> pieces);

// The digests of all blocks.
[[nodiscard]] std::vector<repo::BlockDigest> block_digests(ByteView bytes,
                                                           std::uint32_t block_bytes);

}  // namespace backstay::engine::parity_stages
