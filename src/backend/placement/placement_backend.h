// Many stores as one: docs/placement-format.md, and docs/adr/0020-placement.md for why.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "backend/placement/bulk.h"
#include "backend/placement/listing.h"
#include "backend/placement/map_file.h"
#include "backend/placement/part.h"
#include "backend/placement/progress.h"
#include "backend/placement/readers.h"
#include "backend/placement/registers.h"
#include "backend/placement/view.h"
#include "base/mutex.h"
#include "base/rng.h"

namespace backstay::backend::placement {

// Whether reads may put again what they find missing or damaged.
enum class Mend : std::uint8_t { kNothing, kWhatIsRead };

struct PlacementWorld {
  const Clock& clock;
  Rng& rng;
  Mend mend = Mend::kNothing;
  // What people should know, in one line. May be empty.
  std::function<void(const std::string& line)> note = {};
};

class PlacementBackend final : public Backend {
 public:
  // not_found when none of the stores belongs to a placement; unavailable when too many are away.
  // `what` is for messages.
  static Result<std::unique_ptr<PlacementBackend>> open(const MapFile& file, StoreOpener open,
                                                        std::string what, PlacementWorld world);
  // A new placement over empty stores, all of which must answer; or the one that is there.
  static Result<std::unique_ptr<PlacementBackend>> create(const MapFile& file, StoreOpener open,
                                                          std::string what, PlacementWorld world);

  // Mends for a few seconds what is still to mend, and says what was.
  ~PlacementBackend() override;

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  void expect_transfers() override;
  Result<void> barrier() override;
  Result<void> adopt(std::string_view name) override;
  Result<void> adopt_names(std::string_view prefix) override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return what_; }

  // ---- for upkeep.h

  [[nodiscard]] std::shared_ptr<const View> view() const EXCLUDES(mutex_);
  // Runs op(view) until no newer map was made meanwhile.
  template <typename Op>
  auto by_current_map(const Op& op) -> decltype(op(std::declval<const View&>()));
  // False, and the newer one is used from now on, when there is a newer map than the view's.
  Result<bool> is_current(const View& view) EXCLUDES(mutex_);
  // Makes durable what each store was given; those that fail. Nothing is brought elsewhere.
  StoreMask flush(const View& view, Troubles& troubles) EXCLUDES(mutex_);
  [[nodiscard]] const StoreOpener& opener() const { return open_; }
  [[nodiscard]] const PlacementWorld& world() const { return world_; }
  // `view` outlives it.
  [[nodiscard]] Bulk bulk(const View& view) { return {view, readers_}; }
  // Until what was found so far is mended.
  void wait_for_mending() { mending_.wait(); }
  [[nodiscard]] const Readers& readers() const { return readers_; }

 private:
  PlacementBackend(StoreOpener open, std::string what, PlacementWorld world)
      : open_(std::move(open)),
        what_(std::move(what)),
        world_(std::move(world)),
        readers_(world_.clock),
        mending_(readers_, [this](const Noticed& noticed) { return mend(noticed); }) {}

  void use(Map map) EXCLUDES(mutex_);
  // What the stores say of themselves and of each other, and the notes that it was read from.
  void know(KnownProgress shown, KnownProgress seen, std::set<std::string> notes) EXCLUDES(mutex_);
  // Tells all stores how far each is after its barrier.
  void tell_progress(const View& view) EXCLUDES(mutex_);
  // Reads notes of others that lie in the store. Those that may go when a later one says it all.
  void learn_progress(Store& store, const std::vector<std::string>& notes) EXCLUDES(mutex_);
  // For reads of the repository, which notice what is to be mended.
  [[nodiscard]] Bulk mended(const View& view) {
    return {view, readers_, world_.mend == Mend::kWhatIsRead ? &mending_ : nullptr};
  }
  Result<unsigned> mend(const Noticed& noticed);
  // What the next barrier is for.
  enum class Since : std::uint8_t { kPut, kRemoved, kNamesAdopted };
  struct Window {
    std::set<std::string, std::less<>> put;
    std::set<std::string, std::less<>> removed;
    bool names_adopted = false;
    bool complete = true;  // false when there were more than anybody remembers
  };
  void remember(std::string_view name, Since what) EXCLUDES(mutex_);
  // Barriers of all stores; those that fail. Where stores of earlier maps do, `former` is set.
  StoreMask barrier_of_stores(const View& view, Troubles& troubles, bool& former) EXCLUDES(mutex_);
  Result<void> secure_without(const View& view, StoreMask failed, const Window& window,
                              const Troubles& troubles);
  // Whether it is kept in shards. That never changes: see change_map().
  [[nodiscard]] bool is_sharded(std::string_view name) const;
  Result<void> create_object(std::string_view name,
                             const std::function<Result<void>(const View& view)>& create);
  Result<void> create_copies(std::string_view name, const Made& made, std::uint64_t size_bytes);
  Result<void> create_shards(std::string_view name, const StreamedBytes& bytes, Made::Puts puts);
  Result<void> adopt_object(std::string_view name);
  Result<void> emit(const View& view, const Listing& listing, std::vector<ObjectInfo>& out);
  Result<bool> settle_listed(const View& view, const std::string& name, const Listed& listed,
                             ObjectInfo& info);
  // Of shards a listing says only how long the parts are.
  void find_sizes(const View& view, const Listing& listing) EXCLUDES(mutex_);
  void sweep(const View& view, std::string_view prefix, const Listing& listing);
  [[nodiscard]] std::optional<std::uint64_t> known_size(std::string_view name) const
      EXCLUDES(mutex_);
  void know_size(std::string_view name, std::uint64_t size_bytes) EXCLUDES(mutex_);
  void forget_size(std::string_view name) EXCLUDES(mutex_);

  const StoreOpener open_;
  const std::string what_;
  const PlacementWorld world_;
  mutable Mutex mutex_;
  std::shared_ptr<const View> view_ GUARDED_BY(mutex_);
  // Of bulk objects, which never change; for ranges, which must know where an object ends.
  std::unordered_map<std::string, std::uint64_t> sizes_ GUARDED_BY(mutex_);
  // Stores of earlier maps: what was put there needs its barrier, too.
  std::vector<std::shared_ptr<Store>> former_ GUARDED_BY(mutex_);
  KnownProgress shown_ GUARDED_BY(mutex_);
  KnownProgress seen_ GUARDED_BY(mutex_);
  std::set<std::string> seen_notes_ GUARDED_BY(mutex_);
  Window window_ GUARDED_BY(mutex_);
  // Last: what their threads use goes after them.
  Readers readers_;
  Mending mending_;
};

template <typename Op>
auto PlacementBackend::by_current_map(const Op& op) -> decltype(op(std::declval<const View&>())) {
  while (true) {
    const std::shared_ptr<const View> now = view();
    auto result = op(*now);
    const Result<bool> current = is_current(*now);
    if (current && *current) return result;
    // What went wrong says more than that too many stores are away to ask for a newer map.
    if (!current && !result) return result;
    if (!current) return std::unexpected(current.error().clone());
  }
}

}  // namespace backstay::backend::placement
