#include "engine/restore/saved_states.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "crypto/hash.h"
#include "engine/restore/site.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::Entry;
using snapshot::EntryType;

void append_number(std::string& text, std::uint64_t number) {
  text.append(std::to_string(number)).push_back(',');
}

// An inode whose other names come and go in the same restore changes its ctime by that alone.
enum class ChangeTime : std::uint8_t { kCounts, kNot };

std::pair<std::uint64_t, std::uint64_t> digest_of(const std::string& place, const Entry& entry,
                                                  ChangeTime change_time) {
  std::string text = place;
  text.push_back('\0');
  append_number(text, static_cast<std::uint64_t>(entry.type));
  // What is in a folder is looked at name by name.
  if (entry.type != EntryType::kDirectory) {
    append_number(text, entry.inode);
    append_number(text, entry.size_bytes);
    append_number(text, static_cast<std::uint64_t>(entry.modified.seconds));
    append_number(text, entry.modified.nanos);
    if (change_time == ChangeTime::kCounts) {
      append_number(text, static_cast<std::uint64_t>(entry.changed.seconds));
      append_number(text, entry.changed.nanos);
    }
    text.append(entry.symlink_target);
  }
  const crypto::Digest digest = crypto::blake3(as_bytes(text));
  return {load_le<std::uint64_t>(digest.bytes.data()),
          load_le<std::uint64_t>(digest.bytes.data() + sizeof(std::uint64_t))};
}

Error not_saved() {
  return Error(ErrorCode::kConflict,
               "it is not in the safety snapshot as it is now, and is left alone")
      .with_hint(
          "Another program changed it since the restore began, or it cannot be read. "
          "Restore again: what is there then is kept first.");
}

}  // namespace

void SavedStates::add(const std::string& place, const Entry& entry, const Source& source) {
  if (entry.changed_while_read) return;
  const bool is_folder = entry.type == EntryType::kDirectory;
  if (!is_folder && entry.changed >= source.began && entry.changed <= source.ended) return;
  states_.push_back(digest_of(place, entry, ChangeTime::kCounts));
  if (entry.links > 1 && !is_folder) states_.push_back(digest_of(place, entry, ChangeTime::kNot));
}

Result<SavedStates> SavedStates::read(chunk::ChunkReader& pages, const Source& source) {
  SavedStates saved;
  const std::string root = source.target == "/" ? "" : source.target;
  snapshot::TreeCursor cursor(pages, source.tree);
  TRY(cursor.seek(snapshot::key_from_path(source.target)));
  while (const auto item = TRY(cursor.next())) {
    const std::string path = snapshot::path_from_key(item->key);
    if (!path.starts_with(root + "/")) continue;
    saved.add(path.substr(root.size()), item->entry, source);
  }
  std::ranges::sort(saved.states_);
  return saved;
}

bool SavedStates::has(const std::string& place, const Entry& existing) const {
  return std::ranges::binary_search(states_, digest_of(place, existing, ChangeTime::kCounts)) ||
         std::ranges::binary_search(states_, digest_of(place, existing, ChangeTime::kNot));
}

Result<Stands> require_saved(const FolderNode& folder, const std::string& name) {
  const Site& site = folder.site();
  if (site.saved == nullptr) return Stands::kUnchecked;
  const auto existing = TRY(site.target->look(folder.folder(), name));
  if (!existing) return Stands::kFree;
  if (site.saved->has(folder.place_of(name), existing->entry)) return Stands::kSaved;
  return std::unexpected(not_saved());
}

}  // namespace backstay::engine::restoring
