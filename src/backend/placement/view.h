// A map with its stores: what an operation works by from its beginning to its end.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/placement/map.h"
#include "backend/placement/ring.h"
#include "backend/placement/store.h"

namespace backstay::backend::placement {

// Bulk objects are named by the hash of their bytes and decide nothing; all others are control
// objects (docs/placement-format.md section 1).
enum class Kind : std::uint8_t { kBulk, kControl };
[[nodiscard]] Kind kind_of(std::string_view name);
// Whether a listing of `prefix` may hold objects of that kind.
[[nodiscard]] bool may_hold(std::string_view prefix, Kind kind);

// "removed/leases/<hash>" for "leases/...".
[[nodiscard]] std::string tombstone_name(std::string_view name);
// "removed/leases/" for "leases/" and "leases/x"; "removed/" for "".
[[nodiscard]] std::string tombstone_folder(std::string_view prefix);
// Names that are ours and not the repository's.
[[nodiscard]] bool is_reserved(std::string_view name);

class View {
 public:
  View(Map map, std::vector<std::shared_ptr<Store>> stores);

  [[nodiscard]] const Map& map() const { return map_; }
  // Built when it is first asked for: control objects need none.
  [[nodiscard]] const Ring& ring() const;
  [[nodiscard]] Store& store(unsigned i) const { return *stores_[i]; }
  [[nodiscard]] const std::vector<std::shared_ptr<Store>>& stores() const { return stores_; }
  [[nodiscard]] StoreMask all() const { return all_; }
  [[nodiscard]] bool moving() const { return map_.phase == Phase::kMoving; }
  // So often all stores are asked for a bulk object: what moves meanwhile may be missed once.
  [[nodiscard]] int passes() const { return moving() ? 2 : 1; }

  // Whether that many stores decide a control object: W of each group.
  [[nodiscard]] bool decides(StoreMask stores) const;
  // Whether no value but the one that these have can be decided any more, by this map or by the
  // one before or after it: W of any group (docs/placement-format.md section 4.4).
  [[nodiscard]] bool wins(StoreMask stores) const;
  // Whether whatever was decided is seen in these: R of each group.
  [[nodiscard]] bool sees(StoreMask stores) const;
  // Whether every bulk object that counts has a part outside of `away`.
  [[nodiscard]] bool covers_bulk_without(StoreMask away) const;

 private:
  struct Group {
    StoreMask members = 0;
    unsigned write = 0;
    unsigned read = 0;
  };
  static Group group_of(StoreMask members, unsigned losses);

  Map map_;
  mutable std::once_flag ring_once_;
  mutable std::optional<Ring> ring_;
  std::vector<std::shared_ptr<Store>> stores_;
  StoreMask all_ = 0;
  std::vector<Group> groups_;
  unsigned losses_ = 0;
};

// What went wrong at which store, for messages.
class Troubles {
 public:
  void add(const Store& store, const Error& error) EXCLUDES(mutex_);
  // "cellar: ...; shed: ..."
  [[nodiscard]] std::string text() const EXCLUDES(mutex_);
  [[nodiscard]] bool any(ErrorCode code) const EXCLUDES(mutex_);
  // no_space or permission_denied where a store said so, else unavailable.
  [[nodiscard]] std::unexpected<Error> failure(std::string what) const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::vector<std::pair<std::string, Error>> found_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::placement
