// One simulated world: a store, actors that work in it one call at a time, and what must be true.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fiber.h"
#include "repo/repository.h"
#include "store.h"

namespace backstay::sim {

using Contents = std::map<std::string, Bytes>;  // of a snapshot, by path

// What the actors promised to each other's users.
struct Truth {
  std::map<snapshot::SnapshotId, Contents> committed;  // and reported to be
  std::set<snapshot::SnapshotId> forgotten;            // or perhaps
};

// A clock that its owner cannot rely on.
class WrongClock final : public Clock {
 public:
  WrongClock(const SharedStore& store, SeededRng& dice)
      : store_(store),
        dice_(dice),
        offset_(static_cast<std::int64_t>(dice.below(kSpread)) - kSpread / 2) {}
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override;

 private:
  static constexpr std::int64_t kSpread = 1'000'000'000;
  const SharedStore& store_;
  SeededRng& dice_;
  mutable std::int64_t offset_;
};

enum class Kind : std::uint8_t {
  kWriter,
  kPruner,
  kForgetter,
  kTagger,
  kReader,
  kChecker,
  kRepairer,
};
[[nodiscard]] const char* to_string(Kind kind);

class World;

// Somebody who runs commands, on a machine of his own.
class Actor {
 public:
  Actor(World& world, Kind kind, std::uint64_t seed, const Faults& faults);
  // One command, or a few.
  void work();

  [[nodiscard]] Kind kind() const { return kind_; }
  Fiber fiber;

 private:
  friend class World;
  Result<std::unique_ptr<repo::Repository>> open();
  Result<std::unique_ptr<repo::Lease>> lease(repo::Repository& repository, repo::LeaseUse use);
  Result<void> back_up();
  Result<void> store_files(repo::Repository& repository, repo::Lease& lease, Contents& contents,
                           snapshot::Snapshot& snapshot);
  Result<void> prune();
  Result<void> forget();
  Result<void> forget_by_the_engine(repo::Repository& repository, const snapshot::SnapshotId& id);
  Result<void> tag();
  Result<bool> may_refer_to(repo::Repository& repository, const snapshot::TreeRoot& tree);
  Result<void> read();
  Result<void> check();
  Result<void> repair();
  Result<void> renew_in_time(repo::Lease& lease);
  // Whether all calls of this command went well, and lists show what is there.
  [[nodiscard]] bool sees_all() const;
  void tell(const std::string& what);

  World& world_;
  const Kind kind_;
  SeededRng dice_;
  const Faults faults_;
  WrongClock clock_;
  SimBackend* backend_ = nullptr;  // of the repository that is open
  std::int64_t renewed_ = 0;
};

class World {
 public:
  // Nothing tells as long as it is empty.
  World(std::uint64_t seed, std::function<void(const std::string&)> story);

  // Runs a schedule to its end and all that must hold after it. Empty when it holds.
  std::string run();

  SharedStore store;
  Truth truth;
  std::vector<std::string> violations;
  std::function<void(const std::string&)> story;

 private:
  friend class Actor;
  void schedule();
  void pass_time();
  void verify(const std::string& when);
  enum class LeasesAhead : std::uint8_t { kNo, kMayBe };
  void collect(LeasesAhead leases);
  void collect_all();
  void expect_no_leak();
  Result<std::unique_ptr<repo::Repository>> open_plainly();
  void violate(const std::string& what);

  SeededRng dice_;
  SeededRng plain_dice_;
  SystemClock clock_;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::uint64_t steps_ = 0;
};

// Everything that a snapshot holds, read from the store.
Result<Contents> read_contents(repo::Repository& repository, const snapshot::Snapshot& snapshot);

}  // namespace backstay::sim
