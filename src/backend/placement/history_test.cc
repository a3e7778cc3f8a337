// Random histories of clients that are killed and stores that come and go, against what one store
// would have answered.
//
// For each name all states that the answers so far allow are kept: a value or none, and which
// creations and removals of killed clients may still take effect. An answer that no such state
// allows is a fault. So "seen by one, later not by another" is found, and so is a removed object
// that comes back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "backend/placement/testing/many_stores.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {
namespace {

constexpr int kNothing = -1;

struct State {
  int value = kNothing;
  std::set<int> creations;  // under way
  int removals = 0;         // under way
  friend auto operator<=>(const State&, const State&) = default;
};

class NameModel {
 public:
  NameModel() { states_.insert(State{}); }
  // What was under way may take effect at any time.
  void settle() {
    std::vector<State> open(states_.begin(), states_.end());
    while (!open.empty()) {
      const State state = open.back();
      open.pop_back();
      const auto reach = [&](State next) {
        if (states_.insert(next).second) open.push_back(std::move(next));
      };
      if (state.value == kNothing) {
        for (const int value : state.creations) {
          State next = state;
          next.value = value;
          next.creations.erase(value);
          reach(std::move(next));
        }
      } else if (state.removals > 0) {
        State next = state;
        next.value = kNothing;
        --next.removals;
        reach(std::move(next));
      }
    }
  }
  bool seen(int value) {
    settle();
    std::erase_if(states_, [&](const State& state) { return state.value != value; });
    return !states_.empty();
  }
  bool seen_taken() {
    settle();
    std::erase_if(states_, [&](const State& state) { return state.value == kNothing; });
    return !states_.empty();
  }
  bool created(int value) {
    if (!seen(kNothing)) return false;
    change([&](State& state) { state.value = value; });
    return true;
  }
  void removed() {
    settle();
    change([&](State& state) { state.value = kNothing; });
  }
  void maybe_created(int value) {
    change([&](State& state) { state.creations.insert(value); });
  }
  void maybe_removed() {
    change([&](State& state) { state.removals = std::min(state.removals + 1, 2); });
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const State& state : states_) {
      out += fmt::format("{{{} under way:", state.value);
      for (const int value : state.creations) out += fmt::format(" {}", value);
      out += fmt::format(" removals {}}} ", state.removals);
    }
    return out;
  }

 private:
  template <typename Change>
  void change(const Change& how) {
    std::set<State> next;
    for (State state : states_) {
      how(state);
      next.insert(std::move(state));
    }
    states_ = std::move(next);
  }
  std::set<State> states_;
};

struct World {
  World(const std::string& layout, std::size_t count, std::uint64_t seed)
      : stores(count), rng(seed), many(layout, count, clock) {
    static_cast<void>(many.create());
    for (std::size_t i = 0; i < 16; ++i) {
      many[i].before = [this](std::string_view call, std::string_view) -> Result<void> {
        const bool change = call == "put" || call == "remove";
        if (change && left.fetch_sub(1) <= 0) dead = true;
        if (dead) return fail(ErrorCode::kCancelled, "the client was killed");
        return {};
      };
    }
  }
  void pick_away(std::size_t most) {
    for (std::size_t i = 0; i < stores; ++i) many[i].away = false;
    for (std::uint64_t n = rng.below(most + 1); n > 0; --n) many[rng.below(stores)].away = true;
  }
  [[nodiscard]] bool all_there() {
    if (old_disk_is_in) return false;
    for (std::size_t i = 0; i < stores; ++i) {
      if (many[i].away) return false;
    }
    return true;
  }

  std::size_t stores;
  SeededRng rng;
  SystemClock clock;
  ManyStores many;
  std::atomic<int> left = 1 << 30;
  std::atomic<bool> dead = false;
  bool old_disk_is_in = false;
};

int value_of(const Result<Bytes>& bytes) {
  int value = kNothing;
  if (!bytes) return value;
  const std::string_view text = as_text(*bytes);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Histories : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

class History {
 public:
  explicit History(World& world) : world_(world) {}
  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      if (world_.old_disk_is_in) swap_disks();
      world_.pick_away(1);
      if (returned_ && world_.rng.below(4) == 0) {
        world_.pick_away(0);
        swap_disks();
      }
      // Half of the clients live.
      world_.dead = false;
      world_.left = world_.rng.below(2) == 0 ? 1 << 30 : static_cast<int>(world_.rng.below(8));
      auto client = world_.many.open();
      if (!client) {
        ASSERT_TRUE(world_.dead) << client.error().describe();
        continue;
      }
      const std::string& name = names_[world_.rng.below(names_.size())];
      const std::uint64_t what = world_.rng.below(10);
      log_ += fmt::format("step {}: ", step);
      if (what < 3 && !world_.old_disk_is_in && world_.rng.below(6) == 0)
        replace_a_disk();
      else if (what < 3)
        put(**client, name);
      else if (what < 5)
        remove(**client, name);
      else if (what < 8)
        get(**client, name);
      else
        list(**client);
    }
  }

 private:
  // A disk is lost, an empty one is filled in its place; sometimes the old one stands there for a
  // while, or the first attempt is cut.
  void replace_a_disk() {
    for (std::size_t i = 0; i < world_.stores; ++i) world_.many[i].away = false;
    const std::size_t lost = world_.rng.below(world_.stores);
    const MemoryBackend::Objects old_disk = world_.many[lost].memory.objects();
    world_.many[lost].memory.set_objects({});
    for (int attempt = 0; attempt < 2; ++attempt) {
      auto client = world_.many.open();
      if (!client) {
        log_ += "no client to replace a disk\n";
        world_.dead = false;
        world_.left = 1 << 30;
        continue;
      }
      const std::string name = ManyStores::name_of(lost);
      const auto opened = world_.many.opener()(name);
      const auto report = refill_store(**client, name, **opened, {});
      log_ += fmt::format("replace {}: {}\n", name, report ? "ok" : report.error().describe());
      if (report) {
        returned_ = {lost, old_disk};
        return;
      }
      world_.dead = false;
      world_.left = 1 << 30;
    }
    // Killed after its last step, it has taken the place all the same.
    if (world_.many[lost].memory.objects().contains("placement/store")) return;
    // It was needed to say which of two values counts, and is found again.
    ASSERT_TRUE(world_.many[lost].memory.objects().empty()) << log_;
    world_.many[lost].memory.set_objects(old_disk);
  }
  // The old disk of a store that was replaced, in its place for one step.
  void swap_disks() {
    if (!returned_) return;
    auto& [store, disk] = *returned_;
    MemoryBackend::Objects now = world_.many[store].memory.objects();
    world_.many[store].memory.set_objects(disk);
    disk = std::move(now);
    world_.old_disk_is_in = !world_.old_disk_is_in;
    log_ += fmt::format("disk {} is {}\n", store, world_.old_disk_is_in ? "the old one" : "back");
  }

  void put(PlacementBackend& client, const std::string& name) {
    NameModel& model = models_[name];
    const int value = next_value_++;
    const std::string text = std::to_string(value);
    Result<void> put = client.put(name, as_bytes(text));
    const bool refused = !put && put.error().code() == ErrorCode::kUnavailable;
    if (refused && !world_.dead && world_.all_there()) {
      // A killed removal left copies behind; the hint says what to do.
      log_ += put.error().describe() + "; repair\n";
      world_.left = 1 << 30;
      ASSERT_TRUE(repair_placement(client, {}).has_value()) << log_;
      put = client.put(name, as_bytes(text));
    }
    log_ += fmt::format("put {} {}: {}\n", name, value, put ? "ok" : put.error().describe());
    if (put) {
      ASSERT_TRUE(model.created(value)) << log_ << model.text();
    } else if (put.error().code() == ErrorCode::kAlreadyExists) {
      ASSERT_TRUE(model.seen_taken()) << log_ << model.text();
    } else {
      model.maybe_created(value);
      ASSERT_TRUE(world_.dead || !world_.all_there()) << log_;
    }
  }
  void remove(PlacementBackend& client, const std::string& name) {
    NameModel& model = models_[name];
    const Result<void> removed = client.remove(name);
    log_ += fmt::format("remove {}: {}\n", name, removed ? "ok" : removed.error().describe());
    if (removed)
      model.removed();
    else
      model.maybe_removed();
    ASSERT_TRUE(removed || world_.dead) << log_;
  }
  void get(PlacementBackend& client, const std::string& name) {
    NameModel& model = models_[name];
    const Result<Bytes> bytes = client.get(name, 100);
    log_ += fmt::format("get {}: {}\n", name,
                        bytes ? std::string(as_text(*bytes)) : bytes.error().describe());
    if (bytes || bytes.error().code() == ErrorCode::kNotFound)
      ASSERT_TRUE(model.seen(value_of(bytes))) << log_ << model.text();
    else
      ASSERT_TRUE(world_.dead || !world_.all_there()) << log_;
  }
  void list(PlacementBackend& client) {
    std::set<std::string> listed;
    const Result<void> list = client.list("", [&](const ObjectInfo& info) -> Result<void> {
      listed.insert(info.name);
      return {};
    });
    log_ += fmt::format("list: {}\n", list ? "ok" : list.error().describe());
    if (!list) {
      ASSERT_TRUE(world_.dead || !world_.all_there()) << log_;
      return;
    }
    for (const std::string& one : names_) {
      NameModel& model = models_[one];
      const bool there = listed.contains(one);
      ASSERT_TRUE(there ? model.seen_taken() : model.seen(kNothing)) << log_ << one << model.text();
    }
  }

  World& world_;
  std::optional<std::pair<std::size_t, MemoryBackend::Objects>> returned_;
  const std::vector<std::string> names_{"leases/a", "generations/b", "config"};
  std::map<std::string, NameModel> models_;
  std::string log_;
  int next_value_ = 0;
};

TEST_P(Histories, OfManyStoresAreThoseOfOne) {
  const auto& [layout, stores] = GetParam();
  const char* const more = std::getenv("BACKSTAY_HISTORIES");
  int seeds = 25;
  if (more != nullptr) std::from_chars(more, more + std::strlen(more), seeds);
  for (int seed = 1; seed <= seeds; ++seed) {
    World world(layout, static_cast<std::size_t>(stores), static_cast<std::uint64_t>(seed));
    History(world).run(60);
    if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Placement, Histories,
                         ::testing::Values(std::tuple("copies: 2", 3), std::tuple("copies: 3", 5),
                                           std::tuple("copies: 2", 4)));

}  // namespace
}  // namespace backstay::backend::placement
