#include "engine/prune/relied_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/try.h"
#include "repo/damage_mark.h"
#include "repo/pack_recovery.h"

namespace backstay::engine::prune_stages {

namespace {

constexpr std::size_t kPlacesAtOnce = 64 * 1024;

std::unexpected<Error> other_chunk() {
  return fail(ErrorCode::kCorruption, "a chunk in it is not the one that its directory names");
}

}  // namespace

Result<void> ReliedPlaces::add(const repo::IdPrefix& id, const repo::ChunkLocation& at) {
  places_.push_back({.id = id, .at = at});
  return places_.size() < kPlacesAtOnce ? Result<void>() : look();
}

Result<bool> ReliedPlaces::finish() {
  TRY(look());
  TRY(correct_index());
  return all_true_;
}

// In the order of packs.
Result<void> ReliedPlaces::look() {
  const auto order = [](const Place& place) {
    return std::tie(place.at.frame.pack, place.at.frame.offset, place.at.offset_in_frame, place.id);
  };
  std::vector<Place> places = std::exchange(places_, {});
  std::ranges::sort(places, [&](const Place& a, const Place& b) { return order(a) < order(b); });
  for (std::span<const Place> rest = places; !rest.empty();) {
    const repo::ObjectId pack = rest.front().at.frame.pack;
    const auto end =
        std::ranges::find_if(rest, [&](const Place& one) { return one.at.frame.pack != pack; });
    const auto count = static_cast<std::size_t>(end - rest.begin());
    TRY(look_in_pack(rest.first(count)));
    rest = rest.subspan(count);
  }
  return {};
}

Result<ReliedPlaces::Directory> ReliedPlaces::directory_of(const repo::Index::Pack& pack) {
  const repo::PackDirectory read = TRY(repo::read_directory(
      repository_.store(), repository_.keyring(), repository_.config().id, pack));
  Directory directory{.by_full_key = read.prefix_size == repo::kHeaderSize, .frames = {}};
  std::uint32_t offset = read.prefix_size;
  for (const repo::FrameRecord& frame : read.frames) {
    Listed& listed = directory.frames[offset];
    listed.frame = frame;
    std::uint32_t at = 0;
    for (const chunk::ChunkRef& ref : frame.chunks) {
      listed.chunks.emplace(at, ref);
      at += ref.length;
    }
    offset += frame.sealed_length;
  }
  return directory;
}

Result<void> ReliedPlaces::note_damage(const repo::Index::Pack& pack, const Error& error) {
  all_true_ = false;
  activity_.report(repo::object_name(repo::object_kind(pack.kind), pack.id),
                   error.clone().with_hint("What is needed of it is kept elsewhere."));
  if (!repo::is_damage(error.code())) return {};
  return repo::mark_damaged(repository_.store(), repository_.config().id, pack.id, pack.kind,
                            repository_.world().clock.now());
}

Result<void> ReliedPlaces::look_in_pack(std::span<const Place> places) {
  // The kind and size of what is there, whatever a run says.
  const repo::Index::Pack& pack =
      table_.packs()[table_.number_of(places.front().at.frame.pack)].pack;
  if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  const auto of_the_pack = [&](const Error& error) {
    return repo::is_damage(error.code()) || error.code() == ErrorCode::kNotFound;
  };
  const auto directory = directory_of(pack);
  if (!directory) {
    if (!of_the_pack(directory.error())) return std::unexpected(directory.error().clone());
    return note_damage(pack, directory.error());
  }
  for (std::span<const Place> rest = places; !rest.empty();) {
    const std::uint32_t offset = rest.front().at.frame.offset;
    const auto end =
        std::ranges::find_if(rest, [&](const Place& one) { return one.at.frame.offset != offset; });
    const auto count = static_cast<std::size_t>(end - rest.begin());
    const auto found = look_in_frame(rest.first(count), *directory);
    if (!found) {
      if (!of_the_pack(found.error())) return std::unexpected(found.error().clone());
      return note_damage(pack, found.error());
    }
    if (!*found) misplaced_.insert(pack.id);
    rest = rest.subspan(count);
  }
  return {};
}

// False when a run says of the frame what the directory does not. Fails when it is the directory,
// or the frame, that is not to be relied on.
Result<bool> ReliedPlaces::look_in_frame(std::span<const Place> places,
                                         const Directory& directory) {
  const repo::FrameLocation& at = places.front().at.frame;
  const auto listed = directory.frames.find(at.offset);
  if (listed == directory.frames.end()) return false;
  const repo::FrameRecord& frame = listed->second.frame;
  const auto& chunks = listed->second.chunks;
  for (const Place& place : places) {
    const repo::FrameLocation& said = place.at.frame;
    const auto chunk = chunks.find(place.at.offset_in_frame);
    const bool fits = said.pack_kind == at.pack_kind && said.codec == frame.codec &&
                      said.sealed_length == frame.sealed_length &&
                      said.raw_length == frame.raw_length && chunk != chunks.end() &&
                      repo::prefix_of(chunk->second.id) == place.id;
    if (!fits) return false;
  }
  if (depth_ == Depth::kDirectory && directory.by_full_key) return true;
  bytes_read_ += at.sealed_length;
  const repo::FrameData data = TRY(repository_.read_frame(at));
  for (const Place& place : places) {
    const auto& [offset, ref] = *chunks.find(place.at.offset_in_frame);
    if (!repository_.chunk_in_frame(*data, offset, ref)) return other_chunk();
  }
  return true;
}

// What runs say of these packs is what stands in them from here on.
Result<void> ReliedPlaces::correct_index() {
  if (misplaced_.empty()) return {};
  all_true_ = false;
  std::vector<repo::Index::Pack> packs;
  for (const repo::ObjectId& id : misplaced_) {
    const repo::Index::Pack& pack = table_.packs()[table_.number_of(id)].pack;
    packs.push_back(pack);
    activity_.report(
        repo::object_name(repo::object_kind(pack.kind), id),
        Error(ErrorCode::kCorruption, "the index says of it what is not so")
            .with_hint("It is put right. Nobody but a client of this repository can have written "
                       "that: look whether one of their keys was stolen."));
  }
  const auto replace = [&](std::vector<repo::PackEntries> found) -> Result<void> {
    TRY(repository_.index().replace_packs(std::move(found)));
    return {};
  };
  const auto read = TRY(repo::recover_packs(
      repository_.store(), repository_.keyring(), repository_.config().id, packs,
      {.depth = repo::PackDepth::kDirectory, .readers = repository_.world().readers()}, replace));
  for (const auto& [id, error] : read.unreadable)
    activity_.note(fmt::format("pack {}: {}", id.short_hex(), error.describe()));
  return {};
}

}  // namespace backstay::engine::prune_stages
