#include "engine/check/pack_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/try.h"
#include "repo/pack.h"
#include "repo/pack_recovery.h"

namespace backstay::engine::check_stages {

namespace {

using repo::FrameLocation;
using repo::Index;

// Larger packs are read twice, in pieces and frame by frame, instead of into memory.
constexpr std::uint64_t kInMemoryMax = 64 * 1024 * 1024;

// Where a pack's frames come from.
using ReadFrame = std::function<Result<Bytes>(const FrameLocation&)>;

// Nothing when the index knows this place of the chunk.
std::string trouble_of_index(const Index& index, const chunk::ChunkId& id, const FrameLocation& at,
                             std::uint32_t offset_in_frame) {
  const auto places = index.find_all(id);
  const bool known = std::ranges::any_of(places, [&](const repo::ChunkLocation& place) {
    return place.frame == at && place.offset_in_frame == offset_in_frame;
  });
  if (known) return {};
  const bool elsewhere = std::ranges::any_of(
      places, [&](const repo::ChunkLocation& place) { return place.frame.pack == at.pack; });
  if (!elsewhere && !places.empty()) return {};  // another pack has it, and that will do
  return (elsewhere ? "has another place for chunk " : "does not know chunk ") + id.short_hex();
}

// Decodes every frame and compares every chunk with its id. Gives what is wrong with the index.
Result<std::string> examine_frames(repo::Repository& repository, const Index::Pack& pack,
                                   const repo::PackDirectory& directory, const ReadFrame& read) {
  std::string trouble;
  std::size_t number = 0;
  for (const FrameLocation& at : repo::frame_locations(directory, pack.id, pack.kind)) {
    const std::string frame = fmt::format("frame at {}", at.offset);
    const Bytes raw = TRY_DOING(frame, read(at));
    std::uint32_t offset_in_frame = 0;
    for (const chunk::ChunkRef& ref : directory.frames[number].chunks) {
      TRY_DOING(frame, repository.chunk_in_frame(raw, offset_in_frame, ref));
      if (trouble.empty())
        trouble = trouble_of_index(repository.index(), ref.id, at, offset_in_frame);
      offset_in_frame += ref.length;
    }
    ++number;
  }
  return trouble;
}

Result<std::string> examine_in_memory(repo::Repository& repository, const Index::Pack& pack,
                                      ByteView stored) {
  const repo::PackView view =
      TRY(repo::open_pack(stored, pack.kind, repository.keyring(), repository.config().id));
  repo::FrameDecoder decoder;
  return examine_frames(repository, pack, view.directory, [&](const FrameLocation& at) {
    return decoder.decode(stored.subspan(at.offset, at.sealed_length), at, view.header.suite,
                          view.key);
  });
}

Result<std::string> examine_in_place(repo::Repository& repository, const Index::Pack& pack) {
  const repo::PackDirectory directory = TRY(
      repo::read_directory(repository.store(), repository.keyring(), repository.config().id, pack));
  return examine_frames(repository, pack, directory, [&](const FrameLocation& at) -> Result<Bytes> {
    return *TRY(repository.read_frame(at));
  });
}

}  // namespace

Result<PackVerdict> examine_pack(repo::Repository& repository, const Index::Pack& pack) {
  const StoredObject object{.kind = repo::object_kind(pack.kind),
                            .name = repo::object_name(repo::object_kind(pack.kind), pack.id),
                            .size_bytes = pack.size_bytes};
  const bool in_memory = pack.size_bytes <= kInMemoryMax;
  bool named_well = false;
  const auto examine = [&]() -> Result<PackVerdict> {
    Bytes stored;
    if (in_memory)
      stored = TRY(read_verified(repository.store(), object));
    else
      TRY(verify_stored(repository.store(), object));
    named_well = true;
    std::string trouble = in_memory ? TRY(examine_in_memory(repository, pack, stored))
                                    : TRY(examine_in_place(repository, pack));
    return PackVerdict{.state = PackState::kWhole,
                       .bytes = pack.size_bytes,
                       .what = {},
                       .index_trouble = std::move(trouble)};
  };
  auto verdict = examine();
  if (verdict) return verdict;
  const Error& error = verdict.error();
  if (!repo::is_damage(error.code())) return verdict;
  const bool strange = named_well && error.code() != ErrorCode::kCorruption;
  return PackVerdict{.state = strange ? PackState::kStrange : PackState::kDamaged,
                     .bytes = 0,
                     .what = error.describe(),
                     .index_trouble = {}};
}

// Those first that were not verified for longest; then by name, which is the order on disk.
static void take_turns(std::vector<Index::Pack>& packs, const Freshness& freshness) {
  std::ranges::sort(packs, {}, [&](const Index::Pack& pack) {
    return std::pair(freshness.verified.verified_at(pack.id).value_or(-1), pack.id);
  });
}

static void cut_to(std::vector<Index::Pack>& packs, std::uint64_t budget) {
  std::uint64_t sum = 0;
  std::size_t count = 0;
  while (count < packs.size() && sum < budget) sum += packs[count++].size_bytes;
  packs.resize(count);
}

ChosenPacks choose_packs(std::vector<Index::Pack> packs, const ReadData& wanted, Rng& rng,
                         const Freshness& freshness) {
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
  chosen.fresh =
      std::erase_if(packs, [&](const Index::Pack& pack) { return freshness.is_fresh(pack.id); });
  if (freshness.max_age) {
    take_turns(packs, freshness);
  } else if (some) {
    for (std::size_t i = packs.size(); i > 1; --i) std::swap(packs[i - 1], packs[rng.below(i)]);
  }
  if (some) cut_to(packs, budget);
  take_turns(packs, freshness);
  chosen.packs = std::move(packs);
  return chosen;
}

Result<PackVerdict> check_pack(repo::Repository& repository, const repo::Index::Pack& pack,
                               DamageLog& log) {
  const std::string name = repo::object_name(repo::object_kind(pack.kind), pack.id);
  auto examined = examine_pack(repository, pack);
  if (!examined && examined.error().code() == ErrorCode::kNotFound) {
    examined = PackVerdict{.state = PackState::kDamaged,
                           .bytes = 0,
                           .what = "the pack is missing",
                           .index_trouble = {}};
  }
  if (!examined) return examined;
  if (!examined->index_trouble.empty()) {
    log.add("index", fmt::format("the index {}: it is in {}, and their packs say where chunks are",
                                 examined->index_trouble, name));
  }
  if (examined->what.empty()) return examined;
  log.add(name, examined->what);
  log.explain(name, examined->what);
  return examined;
}

}  // namespace backstay::engine::check_stages
