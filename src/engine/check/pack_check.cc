#include "engine/check/pack_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "repo/pack.h"

namespace backstay::engine::check_stages {

namespace {

using repo::FrameLocation;
using repo::Index;

// Decodes every frame and compares every chunk with its id.
Result<void> check_frames(repo::Repository& repository, const Index::Pack& pack, ByteView stored,
                          const repo::PackView& view) {
  repo::FrameDecoder decoder;
  std::uint32_t offset = view.directory.prefix_size;
  for (const repo::FrameRecord& frame : view.directory.frames) {
    const FrameLocation location{.pack = pack.id,
                                 .pack_kind = pack.kind,
                                 .offset = offset,
                                 .sealed_length = frame.sealed_length,
                                 .raw_length = frame.raw_length,
                                 .codec = frame.codec};
    const Bytes raw = TRY_DOING(fmt::format("frame at {}", offset),
                                decoder.decode(stored.subspan(offset, frame.sealed_length),
                                               location, view.header.suite, view.key));
    std::uint32_t offset_in_frame = 0;
    for (const chunk::ChunkRef& ref : frame.chunks) {
      TRY_DOING(fmt::format("frame at {}", offset),
                repository.chunk_in_frame(raw, offset_in_frame, ref));
      const auto known = repository.index().find(ref.id);
      if (!known) {
        return fail(ErrorCode::kCorruption, "the index does not know chunk " + ref.id.short_hex());
      }
      if (known->frame.pack == pack.id &&
          (known->frame != location || known->offset_in_frame != offset_in_frame)) {
        return fail(ErrorCode::kCorruption,
                    "the index has another place for chunk " + ref.id.short_hex());
      }
      offset_in_frame += ref.length;
    }
    offset += frame.sealed_length;
  }
  return {};
}

Result<std::uint64_t> check_pack_bytes(repo::Repository& repository, const Index::Pack& pack,
                                       const std::string& name) {
  const StoredObject object{
      .kind = repo::object_kind(pack.kind), .name = name, .size_bytes = pack.size_bytes};
  const Bytes stored = TRY(read_verified(repository.store(), object));
  const repo::PackView view =
      TRY(repo::open_pack(stored, pack.kind, repository.keyring(), repository.config().id));
  TRY(check_frames(repository, pack, stored, view));
  return stored.size();
}

}  // namespace

// Leaves out what is fresh, and puts first what was not verified for longest.
static std::uint64_t take_turns(std::vector<Index::Pack>& packs, const Freshness& freshness) {
  const std::size_t fresh = std::erase_if(packs, [&](const Index::Pack& pack) {
    return freshness.verified.is_fresh(pack.id, freshness.max_age, freshness.now);
  });
  std::ranges::sort(packs, {}, [&](const Index::Pack& pack) {
    return std::pair(freshness.verified.verified_at(pack.id).value_or(-1), pack.id);
  });
  return fresh;
}

static void cut_to(std::vector<Index::Pack>& packs, std::uint64_t budget) {
  std::uint64_t sum = 0;
  std::size_t count = 0;
  while (count < packs.size() && sum < budget) sum += packs[count++].size_bytes;
  packs.resize(count);
}

ChosenPacks choose_packs(std::vector<Index::Pack> packs, const ReadData& wanted, Rng& rng,
                         const std::optional<Freshness>& freshness) {
  using Mode = ReadData::Mode;
  if (wanted.mode == Mode::kNone) return {};
  std::ranges::sort(packs, {}, &Index::Pack::id);
  if (wanted.mode == Mode::kPart) {
    std::erase_if(packs, [&](const Index::Pack& pack) {
      return load_le<std::uint64_t>(pack.id.bytes.data()) % wanted.parts != wanted.part - 1;
    });
  }
  std::uint64_t total = 0;
  for (const Index::Pack& pack : packs) total += pack.size_bytes;
  const bool some = wanted.mode == Mode::kPercent || wanted.mode == Mode::kBytes;
  const auto budget =
      wanted.mode == Mode::kBytes
          ? wanted.bytes
          : static_cast<std::uint64_t>(static_cast<double>(total) * wanted.percent / 100);
  ChosenPacks chosen;
  if (freshness) {
    chosen.fresh = take_turns(packs, *freshness);
    if (some) cut_to(packs, budget);
  } else if (some) {
    for (std::size_t i = packs.size(); i > 1; --i) std::swap(packs[i - 1], packs[rng.below(i)]);
    cut_to(packs, budget);
    std::ranges::sort(packs, {}, &Index::Pack::id);
  }
  chosen.packs = std::move(packs);
  return chosen;
}

Result<PackVerdict> check_pack(repo::Repository& repository, const Index::Pack& pack,
                               DamageLog& log) {
  const std::string name = repo::object_name(repo::object_kind(pack.kind), pack.id);
  auto checked = check_pack_bytes(repository, pack, name);
  if (checked) return PackVerdict{.bytes = *checked, .damaged = false};
  const ErrorCode code = checked.error().code();
  if (code != ErrorCode::kNotFound && !repo::is_damage(code))
    return std::unexpected(std::move(checked).error());
  const std::string what =
      code == ErrorCode::kNotFound ? "the pack is missing" : checked.error().describe();
  log.add(name, what);
  log.explain(name, what);
  return PackVerdict{.bytes = 0, .damaged = true};
}

}  // namespace backstay::engine::check_stages
