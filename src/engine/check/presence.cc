#include "engine/check/presence.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/try.h"

namespace backstay::engine::check_stages {

using repo::ObjectKind;

void note_condemned(const repo::Index& index, const std::vector<StoredObject>& objects,
                    PackStates& states) {
  std::unordered_set<std::string> present;
  for (const StoredObject& object : objects) present.insert(object.name);
  for (const repo::Index::Pack& pack : index.condemned_packs()) {
    const std::string name = repo::object_name(repo::object_kind(pack.kind), pack.id);
    if (present.contains(name)) continue;
    states.bad.insert(pack.id);
    states.lost.insert(pack.id);
  }
}

// A list may be behind; asking by name is not. Nothing when the object is not there.
static Result<std::optional<std::uint64_t>> size_by_name(backend::Backend& store,
                                                         const std::string& name) {
  const auto info = store.head(name);
  if (info) return info->size_bytes;
  if (info.error().code() == ErrorCode::kNotFound) return std::nullopt;
  return std::unexpected(info.error().clone());
}

Result<void> check_presence(backend::Backend& store, const std::vector<repo::Index::Pack>& packs,
                            const std::vector<StoredObject>& objects, PackStates& states,
                            DamageLog& log, const std::stop_token& stop) {
  std::unordered_map<std::string, std::uint64_t> present;
  for (const StoredObject& object : objects) {
    if (object.kind == ObjectKind::kDataPack || object.kind == ObjectKind::kMetaPack)
      present.emplace(object.name, object.size_bytes);
  }
  for (const repo::Index::Pack& pack : packs) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const std::string name = repo::object_name(repo::object_kind(pack.kind), pack.id);
    const auto listed = present.find(name);
    const std::optional<std::uint64_t> size =
        listed != present.end() && listed->second == pack.size_bytes
            ? listed->second
            : TRY_DOING("looking for " + name, size_by_name(store, name));
    if (size == pack.size_bytes) {
      // Where lists are prompt, one that leaves out what is there is not to be trusted.
      if (listed == present.end() && store.capabilities().lists_at_once)
        log.add(name, "the store does not list the pack, although it is there");
      continue;
    }
    log.add(name,
            size ? fmt::format("the pack has {} bytes and should have {}", *size, pack.size_bytes)
                 : "the pack is missing");
    states.lost.insert(pack.id);
  }
  states.bad.insert(states.lost.begin(), states.lost.end());
  states.bad.insert(states.marked.begin(), states.marked.end());
  return {};
}

}  // namespace backstay::engine::check_stages
