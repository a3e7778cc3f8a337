#include "engine/parity/group_repair.h"

#include <algorithm>

#include "base/assert.h"
#include "base/try.h"
#include "erasure/erasure_code.h"

namespace backstay::engine::parity_stages {

using repo::ParityDirectory;
using repo::ParityMember;

GroupRepair::GroupRepair(const ParityPlace& place, const Inventory& found, const ParityGroup& group,
                         Activity& activity)
    : place_(place), found_(found), group_(group), activity_(activity) {}

Result<bool> GroupRepair::begin() {
  const ParityDirectory& directory = group_.directory;
  std::vector<repo::BlockDigest> digests;
  for (const auto& shard : group_.shards) {
    if (!shard || !digests.empty()) continue;
    auto read = repo::read_block_digests(place_.store, shard->name, shard->head);
    if (read)
      digests = std::move(*read);
    else if (!repo::is_damage(read.error().code()) && read.error().code() != ErrorCode::kNotFound)
      return std::unexpected(std::move(read).error());
  }
  if (digests.empty()) return false;
  auto next = digests.begin();
  const auto take = [&](Part& part) {
    const auto end = next + static_cast<std::ptrdiff_t>(directory.blocks_in(part.size_bytes));
    part.digests.assign(next, end);
    next = end;
  };
  for (const ParityMember& member : directory.members) {
    Part& part = parts_.emplace_back();
    part.name = pack_name(member);
    part.size_bytes = member.size_bytes;
    const auto there = found_.packs.find(member.pack);
    if (there != found_.packs.end() && there->second.kind == member.kind)
      part.object_bytes = there->second.size_bytes;
    take(part);
  }
  for (const auto& shard : group_.shards) {
    Part& part = shards_.emplace_back();
    part.size_bytes = directory.payload_bytes;
    if (shard) {
      part.name = shard->name;
      part.object_bytes = shard->size_bytes;
      part.at = shard->head.payload_at;
    }
    take(part);
  }
  stripe_ = PageBuffer((parts_.size() + shards_.size()) * directory.block_bytes);
  return true;
}

std::size_t GroupRepair::index_of(const ParityMember& member) const {
  const auto& members = group_.directory.members;
  const auto found = std::ranges::find(members, member);
  ASSERT(found != members.end());
  return static_cast<std::size_t>(found - members.begin());
}

// 0 when the part ends before.
std::size_t GroupRepair::length_of(const Part& part, std::uint64_t block) const {
  const std::uint64_t begin = block * group_.directory.block_bytes;
  if (begin >= part.size_bytes) return 0;
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(group_.directory.block_bytes, part.size_bytes - begin));
}

Result<bool> GroupRepair::read_block(const Part& part, std::uint64_t block, MutableByteView out) {
  const std::uint64_t begin = part.at + block * group_.directory.block_bytes;
  if (begin + out.size() > part.object_bytes) return false;
  const auto read = place_.store.get_range(part.name, begin, out);
  if (!read) {
    const ErrorCode code = read.error().code();
    if (repo::is_damage_or_loss(code)) return false;
    return std::unexpected(read.error().clone().with_context("reading " + part.name));
  }
  bytes_read_ += out.size();
  activity_.progress.bytes_done += out.size();
  return repo::block_digest(out) == part.digests[static_cast<std::size_t>(block)];
}

Result<void> GroupRepair::examine(std::size_t index) {
  Part& part = parts_[index];
  if (part.examined) return {};
  part.examined = true;
  activity_.progress.set_current(part.name);
  Bytes block(group_.directory.block_bytes);
  for (std::uint64_t at = 0; at < part.digests.size(); ++at) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const MutableByteView out = MutableByteView(block).first(length_of(part, at));
    if (TRY(read_block(part, at, out))) continue;
    part.bad.insert(at);
    if (!solved_.contains(at)) to_solve_.insert(at);
  }
  return {};
}

Result<void> GroupRepair::examine(const ParityMember& member) {
  TRY(examine(index_of(member)));
  while (!to_solve_.empty()) {
    const std::uint64_t block = *to_solve_.begin();
    to_solve_.erase(to_solve_.begin());
    solved_.insert(block);
    TRY(solve(block));
  }
  return {};
}

Result<void> GroupRepair::solve(std::uint64_t block) {
  if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(
      group_.directory.block_bytes,
      group_.directory.payload_bytes - block * group_.directory.block_bytes));
  std::vector<std::size_t> lost;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::size_t own = length_of(parts_[i], block);
    std::fill_n(room(i), length, std::uint8_t{0});
    if (own == 0) continue;
    if (TRY(read_block(parts_[i], block, {room(i), own}))) continue;
    lost.push_back(i);
    // One that was not suspected: what else is lost of it?
    TRY(examine(i));
  }
  return rebuild(block, length, lost);
}

Result<void> GroupRepair::rebuild(std::uint64_t block, std::size_t length,
                                  const std::vector<std::size_t>& lost) {
  const auto& members = group_.directory.members;
  std::vector<erasure::Block> data;
  std::vector<erasure::Block> shards;
  std::vector<erasure::MutableBlock> targets;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (std::ranges::find(lost, i) != lost.end())
      targets.push_back({.number = members[i].slot, .bytes = room(i)});
    else if (length_of(parts_[i], block) > 0)
      data.push_back({.number = members[i].slot, .bytes = room(i)});
  }
  for (unsigned number = 0; number < shards_.size() && shards.size() < lost.size(); ++number) {
    std::uint8_t* const at = room(parts_.size() + number);
    if (TRY(read_block(shards_[number], block, {at, length})))
      shards.push_back({.number = number, .bytes = at});
  }
  const auto done = erasure::reconstruct(length, data, shards, targets);
  for (const std::size_t i : lost) {
    Part& part = parts_[i];
    const ByteView bytes(room(i), length_of(part, block));
    const bool right = done && repo::block_digest(bytes) == part.digests[block];
    if (right)
      part.rebuilt[block] = to_owned(bytes);
    else
      part.beyond_repair = true;
  }
  return {};
}

Result<std::vector<unsigned>> GroupRepair::damaged_shards() {
  std::vector<unsigned> damaged;
  Bytes block(group_.directory.block_bytes);
  for (unsigned number = 0; number < shards_.size(); ++number) {
    const Part& shard = shards_[number];
    if (shard.object_bytes == 0) continue;
    bool whole =
        repo::read_block_digests(place_.store, shard.name, group_.shards[number]->head).has_value();
    for (std::uint64_t at = 0; whole && at < shard.digests.size(); ++at) {
      if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      whole = TRY(read_block(shard, at, MutableByteView(block).first(length_of(shard, at))));
    }
    if (!whole) damaged.push_back(number);
  }
  return damaged;
}

std::vector<ParityMember> GroupRepair::damaged() const {
  std::vector<ParityMember> members;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const bool whole = part.bad.empty() && part.object_bytes == part.size_bytes;
    if (part.examined && !whole) members.push_back(group_.directory.members[i]);
  }
  return members;
}

std::uint64_t GroupRepair::bytes_rebuilt(const ParityMember& member) const {
  std::uint64_t sum = 0;
  for (const auto& [block, bytes] : parts_[index_of(member)].rebuilt) sum += bytes.size();
  return sum;
}

Result<PageBuffer> GroupRepair::assemble(const ParityMember& member) {
  const Part& part = parts_[index_of(member)];
  const auto lost = [&] {
    return fail(ErrorCode::kCorruption, "more of its group is lost than its parity brings back");
  };
  if (part.beyond_repair) return lost();
  PageBuffer whole(static_cast<std::size_t>(part.size_bytes));
  for (std::uint64_t block = 0; block < part.digests.size(); ++block) {
    const MutableByteView out = whole.bytes().subspan(
        static_cast<std::size_t>(block * group_.directory.block_bytes), length_of(part, block));
    if (const auto rebuilt = part.rebuilt.find(block); rebuilt != part.rebuilt.end())
      std::ranges::copy(rebuilt->second, out.begin());
    else if (!TRY(read_block(part, block, out)))
      return lost();
  }
  if (repo::id_of(whole.bytes()) != member.pack)
    return fail(ErrorCode::kCorruption, "what was rebuilt does not match the pack's name");
  return whole;
}

}  // namespace backstay::engine::parity_stages
