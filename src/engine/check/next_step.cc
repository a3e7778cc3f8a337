#include "engine/check/next_step.h"

#include <array>
#include <string_view>
#include <utility>

namespace backstay::engine::check_stages {

namespace {

// By how the object's name begins; the first that fits counts.
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kNextSteps{{
    {"index/",
     "Run 'backstay repair index': the packs say themselves what is in them. The next backup does "
     "the same. If it stays, another run took its place, it counts for nothing, and the next "
     "'backstay prune' removes it."},
    {"data/",
     "Run 'backstay repair packs' to save what is whole, then a backup of the source, which stores "
     "again what it still has; what is lost for good is taken out of snapshots by 'backstay repair "
     "snapshots'."},
    {"meta/",
     "Run 'backstay repair packs' to save what is whole, then a backup of the source, which stores "
     "again what it still has; what is lost for good is taken out of snapshots by 'backstay repair "
     "snapshots'."},
    {"tree of snapshot", "Run 'backstay repair snapshots', which leaves out what cannot be read."},
    {"content of", "Run 'backstay repair snapshots', which leaves out what cannot be read."},
    {"snapshots/",
     "Put the object back from a copy of the repository if there is one; else remove it with "
     "'backstay forget'. The files are in the other snapshots as far as they did not change."},
    {"keys/",
     "Make another key slot with 'backstay key add', and remove the damaged one with 'backstay key "
     "remove'."},
    {"config", "Put it back from a copy of the repository."},
    {"leases/", "It counts for nothing once it is old; nothing needs to be done."},
    {"epochs/",
     "Put the right one back from a copy of the repository. Of two that begin one epoch, one was "
     "made by somebody who had a full key and can still write to the store: docs/threat-model.md."},
    {"generations/",
     "Put it back from a copy of the repository: it says which packs are given up. Without a copy, "
     "end every program that uses the repository and run 'backstay repair generations'."},
    {"parity/",
     "Run 'backstay parity repair --read-data', which makes anew what is damaged of parity, while "
     "what it protects is whole."},
    {"damaged/",
     "Its name is what counts. 'backstay check --read-data' removes it when the pack is whole."},
    {"holds/",
     "It binds all the same. To replace it: 'backstay release', then 'backstay hold' again."},
    {"tags/",
     "Put it back from a copy of the repository if there is one. Until then rules do not remove "
     "this snapshot; by name it can be forgotten."},
}};

}  // namespace

std::string next_step(const Damage& damage) {
  if (damage.object == "index") {
    const bool in_packs = damage.what.find("their packs say where") != std::string::npos;
    return in_packs ? "Run 'backstay repair index --read-packs'."
                    : "Run a backup of the source, which stores again what it still has; then "
                      "'backstay repair snapshots'.";
  }
  if (damage.what.contains("does not list")) {
    return "Look after the store's file system or service before anything is pruned or repaired: "
           "collections go by what it lists.";
  }
  for (const auto& [prefix, step] : kNextSteps) {
    if (damage.object.starts_with(prefix)) return std::string(step);
  }
  return {};
}

}  // namespace backstay::engine::check_stages
