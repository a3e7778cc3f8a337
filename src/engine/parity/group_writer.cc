#include "engine/parity/group_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/try.h"
#include "erasure/erasure_code.h"
#include "repo/pack_recovery.h"

namespace backstay::engine::parity_stages {

namespace {

using repo::BlockDigest;
using repo::ParityDirectory;
using repo::ParityMember;

std::unexpected<Error> changed(const std::string& name) {
  return fail(ErrorCode::kCorruption, fmt::format("{} is not what its parity was made of", name));
}

}  // namespace

Result<void> put_parity_object(const ParityPlace& place, const std::string& name,
                               std::span<const ByteView> pieces) {
  auto put = place.store.put(name, pieces);
  if (put || put.error().code() != ErrorCode::kAlreadyExists) return put;
  const auto id = TRY(repo::parse_object_name(repo::ObjectKind::kParity, name));
  auto whole = repo::verify_name(place.store, repo::ObjectKind::kParity, id);
  if (whole) return place.store.adopt(name);
  if (!repo::is_damage(whole.error().code())) return whole;
  TRY(place.store.remove(name));
  return place.store.put(name, pieces);
}

std::vector<BlockDigest> block_digests(ByteView bytes, std::uint32_t block_bytes) {
  std::vector<BlockDigest> digests;
  for (std::size_t at = 0; at < bytes.size(); at += block_bytes) {
    digests.push_back(repo::block_digest(
        bytes.subspan(at, std::min<std::size_t>(block_bytes, bytes.size() - at))));
  }
  return digests;
}

Result<ByteView> GroupWriter::read_pack(const ParityMember& member) {
  const std::string name = pack_name(member);
  if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  activity_.progress.set_current(name);
  const MutableByteView bytes = pack_.room_for(static_cast<std::size_t>(member.size_bytes));
  TRY_DOING("reading " + name, place_.store.get_range(name, 0, bytes));
  bytes_read_ += bytes.size();
  activity_.progress.bytes_done += bytes.size();
  return bytes;
}

void GroupWriter::update(unsigned slot, ByteView bytes) {
  std::vector<erasure::MutableBlock> targets;
  for (unsigned i = 0; i < shards_.size(); ++i)
    targets.push_back({.number = i, .bytes = shards_[i].data()});
  erasure::update(bytes.size(), {.number = slot, .bytes = bytes.data()}, targets);
}

Result<void> GroupWriter::load_base(const GroupPlan& plan) {
  if (plan.base == nullptr) return {};
  const ParityDirectory& directory = plan.base->directory;
  const ParityObject& any = plan.base->any_shard();
  const Digests digests =
      TRY_DOING("reading " + any.name, repo::read_block_digests(place_.store, any.name, any.head));
  auto at = digests.begin();
  for (const ParityMember& member : directory.members) {
    const auto end = at + static_cast<std::ptrdiff_t>(directory.blocks_in(member.size_bytes));
    rows_.push_back({.member = member, .digests = Digests(at, end)});
    at = end;
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const auto& shard = plan.base->shards[i];
    if (!shard) return fail(ErrorCode::kCorruption, "a shard of the parity group is missing");
    const MutableByteView bytes =
        shards_[i].bytes().first(static_cast<std::size_t>(directory.payload_bytes));
    TRY_DOING("reading " + shard->name,
              place_.store.get_range(shard->name, shard->head.payload_at, bytes));
    bytes_read_ += bytes.size();
    const auto end = at + static_cast<std::ptrdiff_t>(directory.blocks_in(bytes.size()));
    if (block_digests(bytes, block_bytes_) != Digests(at, end)) return changed(shard->name);
    at = end;
  }
  return {};
}

Result<void> GroupWriter::take_out(const ParityMember& member) {
  const auto row = std::ranges::find(rows_, member, &Row::member);
  ASSERT(row != rows_.end());
  const ByteView bytes = TRY(read_pack(member));
  if (block_digests(bytes, block_bytes_) != row->digests) return changed(pack_name(member));
  update(member.slot, bytes);
  rows_.erase(row);
  return {};
}

// What is not what its name says is not worth protecting.
Result<void> GroupWriter::put_in(const ParityMember& member) {
  auto bytes = read_pack(member);
  if (bytes && repo::id_of(*bytes) != member.pack)
    bytes = fail(ErrorCode::kCorruption, "its bytes do not match its name");
  if (!bytes) {
    const ErrorCode code = bytes.error().code();
    if (code != ErrorCode::kNotFound && !repo::is_damage(code))
      return std::unexpected(std::move(bytes).error());
    skipped_.insert(member.pack);
    if (code != ErrorCode::kNotFound) activity_.report(pack_name(member), bytes.error());
    return {};
  }
  add(member, *bytes);
  return {};
}

void GroupWriter::add(const ParityMember& member, ByteView bytes) {
  update(member.slot, bytes);
  rows_.push_back({.member = member, .digests = block_digests(bytes, block_bytes_)});
}

Result<ParityGroup> GroupWriter::write_alone(const ParityMember& member, ByteView bytes,
                                             std::uint32_t block_bytes) {
  block_bytes_ = block_bytes;
  rows_.clear();
  shards_.clear();
  shards_.emplace_back(bytes.size());
  ParityMember alone = member;
  alone.slot = 0;
  add(alone, bytes);
  GroupPlan plan;
  plan.shards = plan.slots = 1;
  return put_shards(plan);
}

Result<ParityGroup> GroupWriter::put_shards(const GroupPlan& plan) {
  std::ranges::sort(rows_, {}, [](const Row& row) { return row.member.slot; });
  ParityGroup group;
  ParityDirectory& directory = group.directory;
  directory.shards = plan.shards;
  directory.slots = plan.slots;
  directory.block_bytes = block_bytes_;
  Digests digests;
  for (const Row& row : rows_) {
    directory.members.push_back(row.member);
    directory.payload_bytes = std::max(directory.payload_bytes, row.member.size_bytes);
    digests.insert(digests.end(), row.digests.begin(), row.digests.end());
  }
  const auto payload = static_cast<std::size_t>(directory.payload_bytes);
  for (const PageBuffer& shard : shards_) {
    const auto of_shard = block_digests(shard.bytes().first(payload), block_bytes_);
    digests.insert(digests.end(), of_shard.begin(), of_shard.end());
  }
  Bytes all;
  for (const BlockDigest& digest : digests) append(all, digest.view());
  directory.digests = crypto::blake3(all);
  for (directory.number = 0; directory.number < plan.shards; ++directory.number) {
    const Bytes head = repo::encode_parity_head(directory, place_.repository, digests);
    const std::array<ByteView, 2> pieces{head, shards_[directory.number].bytes().first(payload)};
    crypto::Blake3Stream hash;
    for (const ByteView piece : pieces) hash.update(piece);
    const std::string name =
        repo::object_name(repo::ObjectKind::kParity, repo::ObjectId{hash.finish().bytes});
    TRY_DOING("storing " + name, put_parity_object(place_, name, pieces));
    const std::uint64_t size = head.size() + payload;
    bytes_written_ += size;
    group.shards.push_back(ParityObject{
        .name = name, .size_bytes = size, .head = TRY(repo::decode_parity_head(head, size))});
  }
  directory.number = 0;
  group.id = directory.group();
  return group;
}

Result<std::optional<ParityGroup>> GroupWriter::write(const GroupPlan& plan) {
  block_bytes_ = plan.base != nullptr ? plan.base->directory.block_bytes : plan.block_bytes;
  std::uint64_t longest = plan.base != nullptr ? plan.base->directory.payload_bytes : 0;
  for (const ParityMember& member : plan.put_in) longest = std::max(longest, member.size_bytes);
  rows_.clear();
  shards_.clear();
  // Fresh pages are zero.
  for (unsigned i = 0; i < plan.shards; ++i)
    shards_.emplace_back(static_cast<std::size_t>(longest));
  TRY(load_base(plan));
  for (const ParityMember& member : plan.taken_out) TRY(take_out(member));
  for (const ParityMember& member : plan.put_in) TRY(put_in(member));
  if (rows_.empty()) return std::optional<ParityGroup>();
  return std::optional(TRY(put_shards(plan)));
}

}  // namespace backstay::engine::parity_stages
