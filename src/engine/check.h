// The verb check: is everything there and whole, and what does each damage touch?
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"

namespace backstay::engine {

// Which packs are read whole.
struct ReadData {
  enum class Mode : std::uint8_t { kNone, kAll, kPart, kPercent, kBytes };
  Mode mode = Mode::kNone;
  std::uint32_t part =
      0;  // kPart: part N (from 1) of M, by pack name, so that M runs cover everything
  std::uint32_t parts = 0;
  double percent = 0;       // kPercent: at random
  std::uint64_t bytes = 0;  // kBytes: at random, about so many
};
Result<ReadData> parse_read_data_subset(std::string_view text);  // "1/10", "5%", "2GiB"

// One thing that a damage touches.
struct Affected {
  const std::string& object;  // the damaged one
  const snapshot::SnapshotId& snapshot;
  const std::string& path;    // empty: the snapshot as a whole
  bool from_here_on = false;  // a stretch of the tree that begins there; what is in it is not known
};

struct CheckOptions {
  ReadData read_data;
  std::optional<std::chrono::seconds> max_duration;
  // Of the packs chosen by read_data, those that were not verified for so long, and those first
  // that were not for longest. With it a check goes on where the one before was stopped.
  std::optional<std::chrono::seconds> max_age;
  // The folder with the caches of all repositories, where check_names() keeps what it verified
  // when; empty: nowhere. With a key the repository knows its own.
  std::string caches;
  std::size_t threads = 0;
  // Hears of everything that is touched, also where a report would be too long.
  std::function<void(const Affected&)> affected;
};

struct Damage {
  std::string object;                // "data/3f/3f…", "snapshots/…"
  std::string what;                  // "bytes do not match their name"
  std::vector<std::string> affects;  // "snapshot 1a2b3c4d: /etc/passwd"; at most kAffectedMax
  std::uint64_t affected_total = 0;
  std::uint64_t snapshots = 0;  // so many snapshots are touched
  std::string next;             // what to do about it: a sentence
};
inline constexpr std::size_t kAffectedMax = 20;
// What is kept of all of them; beyond it they are only counted, and told to CheckOptions::affected.
inline constexpr std::size_t kAffectedBytesMax = 16 * 1024 * 1024;

struct CheckReport {
  std::uint64_t snapshots = 0;
  std::uint64_t packs = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t chunks = 0;
  std::uint64_t pages = 0;
  std::uint64_t objects_verified = 0;
  // In no index run and not known to be damaged: the next backup uses what is whole of them.
  std::uint64_t packs_unindexed = 0;
  // Lost or damaged, and without use: what snapshots need of them, if anything, is stored
  // elsewhere.
  std::uint64_t packs_replaced = 0;
  // Of the packs that were to be read: left over when the time was up, and left out because they
  // were verified within max_age.
  std::uint64_t packs_left = 0;
  std::uint64_t bytes_left = 0;
  std::uint64_t packs_fresh = 0;
  bool structure_complete = true;  // false: the time was up before all trees were walked
  bool stopped_by_time = false;
  std::vector<Damage> damages;
};

// Packs that turn out to be damaged are marked in the repository, so that no backup relies on them
// (docs/format.md section 8.5); where that is not possible, it is said.
//
// Structure first: every object that something refers to exists with the right size; every tree
// page and content list is read and every chunk of every file is in the index. Then, with
// read_data, every byte of the chosen packs: name, directory, frames, chunk ids. Damage is in the
// report, never a failure; a failure means that the check could not be done.
Result<CheckReport> check(repo::Repository& repository, const CheckOptions& options,
                          Activity& activity);

// Needs no key: every object's bytes against its name or its checksum.
Result<CheckReport> check_names(backend::Backend& store, const CheckOptions& options,
                                Activity& activity);

}  // namespace backstay::engine
