#include "engine/parity/copies.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/try.h"
#include "engine/check/object_check.h"
#include "engine/parity/group_writer.h"
#include "repo/config.h"

namespace backstay::engine::parity_stages {

namespace {

using check_stages::StoredObject;
using repo::ObjectKind;
using repo::ParityCopy;

// A set that is smaller is written anew with what comes; a larger one stays as it is.
constexpr std::size_t kEntriesUsual = 1000;
constexpr std::uint64_t kBytesUsual = 1024 * 1024;
constexpr std::uint64_t kSetBytesMax = 8 * 1024 * 1024;
constexpr std::uint64_t kCopiedObjectMax = 16 * 1024 * 1024 + 64 * 1024;

using Copied = std::map<std::string, StoredObject>;  // by name

Result<Copied> list_copied(backend::Backend& store) {
  Copied objects;
  for (const ObjectKind kind : {ObjectKind::kSnapshot, ObjectKind::kHold, ObjectKind::kTagChange}) {
    TRY(store.list(repo::name_prefix(kind), [&](const backend::ObjectInfo& info) -> Result<void> {
      if (repo::is_object_name(kind, info.name) && info.size_bytes <= kCopiedObjectMax) {
        objects[info.name] = {.kind = kind, .name = info.name, .size_bytes = info.size_bytes};
      }
      return {};
    }));
  }
  const auto config = store.head("config");
  if (config) {
    objects["config"] = {
        .kind = ObjectKind::kConfig, .name = "config", .size_bytes = config->size_bytes};
  } else if (config.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(config.error().clone());
  }
  return objects;
}

// One copy out of a set, whole or not at all.
Result<Bytes> read_copy(backend::Backend& store, const ParityObject& set, const ParityCopy& copy,
                        std::uint64_t offset) {
  Bytes bytes(static_cast<std::size_t>(copy.size_bytes));
  if (!bytes.empty()) TRY(store.get_range(set.name, set.head.payload_at + offset, bytes));
  if (crypto::blake3(bytes) == copy.digest) return bytes;
  return fail(ErrorCode::kCorruption, "the copy of " + copy.name + " is damaged");
}

class SetWriter {
 public:
  SetWriter(const ParityPlace& place, unsigned number, ParityReport& report)
      : place_(place), number_(number), report_(report) {}

  Result<void> add(const std::string& name, ByteView bytes) {
    const bool full = directory_.copies.size() >= kEntriesUsual ||
                      directory_.payload_bytes + bytes.size() > kSetBytesMax;
    if (full) TRY(finish());
    directory_.copies.push_back(
        {.name = name, .size_bytes = bytes.size(), .digest = crypto::blake3(bytes)});
    directory_.payload_bytes += bytes.size();
    append(payload_, bytes);
    return {};
  }

  Result<void> finish() {
    if (directory_.copies.empty()) return {};
    directory_.type = repo::ParityType::kCopies;
    directory_.number = number_;
    Bytes object = repo::encode_parity_head(directory_, place_.repository, {});
    append(object, payload_);
    const std::string name = repo::object_name(ObjectKind::kParity, repo::id_of(object));
    const std::array<ByteView, 1> pieces{object};
    TRY_DOING("storing " + name, put_parity_object(place_, name, pieces));
    names_.insert(name);
    report_.bytes_written += object.size();
    directory_ = {};
    payload_.clear();
    return {};
  }

  [[nodiscard]] const std::set<std::string>& names() const { return names_; }

 private:
  const ParityPlace& place_;
  const unsigned number_;
  ParityReport& report_;
  repo::ParityDirectory directory_;
  Bytes payload_;
  std::set<std::string> names_;
};

// The copies of one number.
class CopyKeeper {
 public:
  CopyKeeper(const ParityPlace& place, const Copied& objects, Activity& activity,
             ParityReport& report)
      : place_(place), objects_(objects), activity_(activity), report_(report) {}

  Result<void> keep(const std::vector<const ParityObject*>& sets, unsigned number) {
    Copied missing = objects_;
    for (const ParityObject* set : sets) {
      if (is_open(*set)) continue;
      for (const ParityCopy& copy : set->head.directory.copies) missing.erase(copy.name);
    }
    const auto open = std::ranges::count_if(sets, [&](const auto* set) { return is_open(*set); });
    Copied fresh = missing;
    for (const ParityObject* set : sets) {
      for (const ParityCopy& copy : set->head.directory.copies) fresh.erase(copy.name);
    }
    const bool spent = std::ranges::any_of(sets, [&](const auto* set) { return is_spent(*set); });
    if (fresh.empty() && open <= 1 && !spent) return {};
    SetWriter writer(place_, number, report_);
    // What another set has already is taken from there: the object itself may be damaged by now.
    for (const ParityObject* set : sets) {
      if (is_open(*set)) TRY(carry_over(*set, missing, writer));
    }
    for (const auto& [name, object] : missing) TRY(add(object, writer));
    TRY(writer.finish());
    TRY(place_.store.barrier());
    for (const ParityObject* set : sets) {
      if (!is_open(*set) || writer.names().contains(set->name)) continue;
      auto removed = place_.store.remove(set->name);
      if (!removed && removed.error().code() != ErrorCode::kPermissionDenied)
        return std::unexpected(std::move(removed).error());
    }
    return {};
  }

 private:
  [[nodiscard]] bool is_spent(const ParityObject& set) const {
    const auto& copies = set.head.directory.copies;
    const auto gone = std::ranges::count_if(
        copies, [&](const ParityCopy& copy) { return !objects_.contains(copy.name); });
    return static_cast<std::size_t>(gone) * 2 > copies.size();
  }
  [[nodiscard]] bool is_open(const ParityObject& set) const {
    const backend::Capabilities can = place_.store.capabilities();
    if (can.append_only || !can.lists_at_once) return false;
    const auto& directory = set.head.directory;
    return is_spent(set) ||
           (directory.copies.size() < kEntriesUsual && directory.payload_bytes < kBytesUsual);
  }

  Result<void> carry_over(const ParityObject& set, Copied& missing, SetWriter& writer) {
    std::uint64_t offset = 0;
    for (const ParityCopy& copy : set.head.directory.copies) {
      const std::uint64_t at = offset;
      offset += copy.size_bytes;
      if (!missing.contains(copy.name)) continue;
      const auto bytes = read_copy(place_.store, set, copy, at);
      if (!bytes && !repo::is_damage(bytes.error().code()))
        return std::unexpected(bytes.error().clone());
      if (!bytes) continue;
      missing.erase(copy.name);
      TRY(writer.add(copy.name, *bytes));
    }
    return {};
  }

  Result<void> add(const StoredObject& object, SetWriter& writer) {
    const auto bytes = check_stages::read_verified(place_.store, object);
    if (bytes) {
      ++report_.copies;
      report_.bytes_read += bytes->size();
      return writer.add(object.name, *bytes);
    }
    const ErrorCode code = bytes.error().code();
    if (code == ErrorCode::kNotFound) return {};
    if (!repo::is_damage(code)) return std::unexpected(bytes.error().clone());
    activity_.report(object.name, bytes.error());
    return {};
  }

  const ParityPlace& place_;
  const Copied& objects_;
  Activity& activity_;
  ParityReport& report_;
};

constexpr std::string_view kReplacingPrefix = "parity/replacing-";

Result<void> put_missing(const ParityPlace& place, const std::string& name, ByteView bytes) {
  auto put = place.store.put(name, bytes);
  if (!put && put.error().code() != ErrorCode::kAlreadyExists) return put;
  return place.store.barrier();
}

// Nothing is overwritten: it is removed and put again. In between a set under a name of its own
// says that it was not forgotten.
Result<void> replace(const ParityPlace& place, const std::string& name, ByteView bytes) {
  repo::ParityDirectory directory;
  directory.type = repo::ParityType::kCopies;
  directory.payload_bytes = bytes.size();
  directory.copies = {{.name = name, .size_bytes = bytes.size(), .digest = crypto::blake3(bytes)}};
  Bytes object = repo::encode_parity_head(directory, place.repository, {});
  append(object, bytes);
  const std::string kept = std::string(kReplacingPrefix) + repo::id_of(object).hex();
  auto put = place.store.put(kept, object);
  if (!put && put.error().code() != ErrorCode::kAlreadyExists) return put;
  TRY(place.store.barrier());
  auto removed = place.store.remove(name);
  if (removed) removed = put_missing(place, name, bytes);
  // Also where the store does not let go of the damaged one.
  if (removed || removed.error().code() == ErrorCode::kPermissionDenied)
    TRY(place.store.remove(kept));
  return removed;
}

ObjectKind kind_of(const std::string& name) {
  for (const ObjectKind kind :
       {ObjectKind::kConfig, ObjectKind::kSnapshot, ObjectKind::kHold, ObjectKind::kTagChange}) {
    if (repo::is_object_name(kind, name)) return kind;
  }
  return ObjectKind::kParity;  // nothing that is put back
}

// The bytes are what an object of that name must be, whatever the set says of them.
bool is_right(const ParityPlace& place, const StoredObject& object, const Bytes& bytes) {
  if (object.kind == ObjectKind::kConfig) {
    const auto config = repo::decode_config(bytes);
    return config && config->id == place.repository;
  }
  const auto header = repo::decode_header(bytes);
  if (!header || header->kind != object.kind || header->repository != place.repository)
    return false;
  const auto id = object.kind == ObjectKind::kSnapshot
                      ? repo::parse_object_name(object.kind, object.name)
                      : Result<repo::ObjectId>(repo::ObjectId{});
  if (object.kind == ObjectKind::kSnapshot) return id && *id == repo::id_of(bytes);
  const auto note = repo::parse_note_name(object.kind, object.name);
  return note && note->bytes == repo::id_of(bytes);
}

}  // namespace

Result<void> keep_copies(const ParityPlace& place, const Inventory& inventory, Activity& activity,
                         ParityReport& report) {
  const Copied objects = TRY_DOING("listing what is copied", list_copied(place.store));
  CopyKeeper keeper(place, objects, activity, report);
  for (unsigned number = 0; number < inventory.wish.shards; ++number) {
    std::vector<const ParityObject*> sets;
    for (const ParityObject& set : inventory.copies) {
      if (set.head.directory.number == number) sets.push_back(&set);
    }
    TRY(keeper.keep(sets, number));
  }
  return {};
}

namespace {

class CopyRestorer {
 public:
  CopyRestorer(const ParityPlace& place, CopyRepair& repair) : place_(place), repair_(repair) {}

  // One copy of a set: of each object the first that is whole serves.
  Result<void> look_at(const ParityObject& set, const ParityCopy& copy, std::uint64_t offset) {
    const StoredObject object{
        .kind = kind_of(copy.name), .name = copy.name, .size_bytes = copy.size_bytes};
    if (object.kind == ObjectKind::kParity || done_.contains(copy.name)) return {};
    const auto stored = check_stages::read_verified(place_.store, object);
    const bool missing = !stored && stored.error().code() == ErrorCode::kNotFound;
    // What is not there may have been removed on purpose.
    if (stored || (missing && object.kind != ObjectKind::kConfig)) {
      done_.insert(copy.name);
      return {};
    }
    if (!missing && !repo::is_damage(stored.error().code()))
      return std::unexpected(stored.error().clone());
    ParityRepaired& one = damaged_[copy.name];
    one = {.object = copy.name,
           .outcome = ParityOutcome::kBeyondRepair,
           .what = missing ? "it is missing" : stored.error().describe(),
           .bytes = copy.size_bytes};
    const auto bytes = read_copy(place_.store, set, copy, offset);
    if (!bytes || !is_right(place_, object, *bytes)) return {};
    one.bytes_rebuilt = bytes->size();
    one.outcome = TRY_DOING("putting back " + copy.name, put_back(copy.name, *bytes, missing));
    done_.insert(copy.name);
    return {};
  }

  void finish() {
    for (auto& [name, one] : damaged_) repair_.repaired.push_back(std::move(one));
  }

 private:
  Result<ParityOutcome> put_back(const std::string& name, ByteView bytes, bool missing) {
    if (repair_.mode == RepairMode::kDryRun) return ParityOutcome::kRestored;
    auto put = missing ? put_missing(place_, name, bytes) : replace(place_, name, bytes);
    if (put) return ParityOutcome::kRestored;
    if (put.error().code() == ErrorCode::kPermissionDenied) return ParityOutcome::kKept;
    return std::unexpected(std::move(put).error());
  }

  const ParityPlace& place_;
  CopyRepair& repair_;
  std::set<std::string> done_;  // whole, or put back
  std::map<std::string, ParityRepaired> damaged_;
};

}  // namespace

Result<void> repair_from_copies(const ParityPlace& place, const std::vector<ParityObject>& copies,
                                Activity& activity, CopyRepair& repair) {
  CopyRestorer restorer(place, repair);
  for (const ParityObject& set : copies) {
    std::uint64_t offset = 0;
    for (const ParityCopy& copy : set.head.directory.copies) {
      if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      TRY(restorer.look_at(set, copy, offset));
      offset += copy.size_bytes;
    }
  }
  restorer.finish();
  return {};
}

}  // namespace backstay::engine::parity_stages

namespace backstay::engine {

static Result<void> finish_replacement(const ParityPlace& place, const std::string& kept) {
  const Bytes object = TRY(repo::get_object(place.store, kept, repo::kParityPayloadMax));
  const bool whole = kept.ends_with(repo::id_of(object).hex());
  const auto head = repo::decode_parity_head(object, object.size());
  const bool one =
      whole && head && head->repository == place.repository && head->directory.copies.size() == 1;
  if (!one) return fail(ErrorCode::kCorruption, "what was being replaced cannot be read");
  const std::string& name = head->directory.copies.front().name;
  const Bytes bytes(object.begin() + static_cast<std::ptrdiff_t>(head->payload_at), object.end());
  const check_stages::StoredObject right{
      .kind = parity_stages::kind_of(name), .name = name, .size_bytes = bytes.size()};
  if (right.kind == repo::ObjectKind::kParity || !parity_stages::is_right(place, right, bytes))
    return fail(ErrorCode::kCorruption, "what was being replaced is not what its name says");
  // What is there, damaged or not, is not missing.
  TRY(parity_stages::put_missing(place, name, bytes));
  return place.store.remove(kept);
}

Result<void> finish_replacements(const ParityPlace& place, const Activity& activity) {
  // Where lists are late, whoever replaces may run and not be listed; nobody does there.
  if (!place.store.capabilities().lists_at_once) return {};
  std::vector<std::string> sets;
  TRY(place.store.list(repo::name_prefix(repo::ObjectKind::kParity),
                       [&](const backend::ObjectInfo& info) -> Result<void> {
                         if (info.name.starts_with(parity_stages::kReplacingPrefix))
                           sets.push_back(info.name);
                         return {};
                       }));
  if (sets.empty()) return {};
  for (const auto& lease : TRY(repo::list_leases(place.store, place.repository))) {
    const bool runs = lease.alive && !lease.ended;
    if (runs && lease.record.operation == parity_stages::kRepairOperation) return {};
  }
  for (const std::string& kept : sets) {
    auto done = finish_replacement(place, kept);
    if (done) continue;
    const ErrorCode code = done.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kPermissionDenied) continue;
    if (!repo::is_damage(code)) return std::unexpected(std::move(done).error());
    activity.note(kept + ": " + done.error().describe());
  }
  return {};
}

Result<repo::Config> config_in_copies(backend::Backend& store) {
  std::vector<backend::ObjectInfo> objects;
  TRY(store.list(repo::name_prefix(repo::ObjectKind::kParity),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   if (repo::is_object_name(repo::ObjectKind::kParity, info.name))
                     objects.push_back(info);
                   return {};
                 }));
  for (const backend::ObjectInfo& info : objects) {
    auto head = repo::read_parity_head(store, info.name, info.size_bytes);
    if (!head) continue;
    const parity_stages::ParityObject set{
        .name = info.name, .size_bytes = info.size_bytes, .head = std::move(*head)};
    std::uint64_t offset = 0;
    for (const repo::ParityCopy& copy : set.head.directory.copies) {
      const std::uint64_t at = offset;
      offset += copy.size_bytes;
      if (copy.name != "config") continue;
      const auto bytes = parity_stages::read_copy(store, set, copy, at);
      if (!bytes) continue;
      auto config = repo::decode_config(*bytes);
      if (config && config->id == set.head.repository) return config;
    }
  }
  return fail(ErrorCode::kNotFound, "no parity object has a copy of the config");
}

}  // namespace backstay::engine
