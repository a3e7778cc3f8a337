// What reads found missing or damaged, while others were whole, is put again in the background.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backend/placement/map.h"
#include "backend/placement/readers.h"
#include "base/mutex.h"

namespace backstay::backend::placement {

// An object of which a read succeeded, although some stores have nothing or damaged parts of it.
struct Noticed {
  std::string name;
  std::vector<StoreId> damaged;
};

struct MendingLimits {
  // Of one process; what is beyond waits for a repair.
  std::size_t objects_max = 64;
  // How long the end of a command waits for what is still to do.
  std::chrono::nanoseconds at_end_max = std::chrono::seconds(5);
};

// Thread-safe. One object at a time.
class Mending {
 public:
  // How many parts were put. A failure is no matter to anybody.
  using Mend = std::function<Result<unsigned>(const Noticed& noticed)>;
  // `readers` outlives it.
  Mending(Readers& readers, Mend mend, MendingLimits limits = {})
      : readers_(readers), mend_(std::move(mend)), limits_(limits) {}
  ~Mending() { finish(); }
  Mending(const Mending&) = delete;
  Mending& operator=(const Mending&) = delete;

  // Each name is mended once.
  void notice(Noticed noticed) EXCLUDES(mutex_);
  // Waits for what is under way.
  void wait() EXCLUDES(mutex_);

  struct Report {
    std::uint64_t parts_put = 0;
    std::uint64_t objects_left = 0;  // noticed, and not mended
  };
  // Nothing is begun any more once the time is over.
  Report finish() EXCLUDES(mutex_);

 private:
  void work() EXCLUDES(mutex_);

  Readers& readers_;
  const Mend mend_;
  const MendingLimits limits_;
  Mutex mutex_;
  CondVar idle_;
  std::set<std::string, std::less<>> known_ GUARDED_BY(mutex_);
  std::deque<Noticed> waiting_ GUARDED_BY(mutex_);
  bool working_ GUARDED_BY(mutex_) = false;
  Report report_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::placement
