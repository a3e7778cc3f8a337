#include "engine/restore/overwrite.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::Entry;
using snapshot::EntryType;

bool same_special(const Entry& entry, const Entry& existing) {
  return entry.type == existing.type && entry.symlink_target == existing.symlink_target &&
         entry.special_device == existing.special_device;
}

bool same_size_and_time(const Entry& entry, const Entry& existing) {
  return existing.type == EntryType::kFile && entry.size_bytes == existing.size_bytes &&
         entry.modified == existing.modified;
}

bool same_attributes(const Entry& entry, const Entry& existing, bool ownership) {
  return entry.mode == existing.mode &&
         (!ownership || (entry.uid == existing.uid && entry.gid == existing.gid));
}

}  // namespace

Action choose_action(const Entry& entry, const std::optional<source::ExistingEntry>& existing,
                     const RestoreOptions& options) {
  if (!existing) return Action::kWrite;
  const Entry& there = existing->entry;
  if (options.overwrite == Overwrite::kNever) return Action::kLeave;
  if (options.overwrite == Overwrite::kIfNewer && there.modified >= entry.modified &&
      there.type != EntryType::kDirectory)
    return Action::kLeave;
  if (there.type == EntryType::kDirectory) return Action::kFolderInTheWay;

  const bool shared = there.links > 1;
  const bool is_file = entry.type == EntryType::kFile;
  const bool equal =
      is_file ? options.overwrite == Overwrite::kIfChanged && same_size_and_time(entry, there)
              : same_special(entry, there);
  if (equal && !shared) return Action::kKeep;
  if (equal && there.links == entry.links && same_attributes(entry, there, options.ownership))
    return Action::kSame;
  return is_file && there.type == EntryType::kFile && !shared ? Action::kUpdate : Action::kWrite;
}

}  // namespace backstay::engine::restoring
