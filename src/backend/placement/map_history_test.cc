// Random histories in which the stores themselves change: they join, leave, are emptied, lost,
// replaced and given up, while two clients, each with the map that it knows, store, remove and
// read, are killed, and do so in the middle of each other's calls. What they are told is compared
// with what one store would have answered; at the end any stores that may be lost are, and nothing
// is missing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "backend/placement/giving_up.h"
#include "backend/placement/testing/maps_anywhere.h"
#include "backend/placement/testing/overlapping_model.h"
#include "backend/placement/testing/two_clients.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {
namespace {

constexpr std::size_t kPlaces = 8;  // where there may be stores

int number_in(ByteView bytes) {
  int value = kNoValue;
  const std::string_view text = as_text(bytes);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// What is known of a bulk object. A name is never used again after its removal was begun.
struct BulkModel {
  enum class Is : std::uint8_t { kMaybe, kStored, kRemoved } is = Is::kMaybe;
  bool removal_begun = false;
  int changes = 0;  // begun and ended: tells whether another one came between
};

struct ControlModel {
  OverlappingModel allowed;
  int changes = 0;
};

class MapHistory {
 public:
  MapHistory(const std::string& layout, std::size_t count, std::uint64_t seed)
      : rng_(seed), many_(layout, count, clock_) {
    for (std::uint64_t i = 0; i < 2; ++i)
      clients_.push_back(std::make_unique<TestClient>(seed * 7 + i));
    static_cast<void>(many_.create());
    std::string text = layout + "\nstores:\n";
    for (std::size_t i = 0; i < kPlaces; ++i) text += ManyStores::line_of(i);
    many_.set_file(text);
  }

  void run(int steps) {
    for (int step = 0; step < steps && !failed(); ++step) {
      log_ += fmt::format("step {}: ", step);
      clock_.turn(10);
      if (!lost_.empty() && rng_.below(3) == 0) {
        resolve_the_loss();
      } else if (lost_.empty() && rng_.below(14) == 0) {
        lose_a_disk();
      } else if (lost_.empty() && rng_.below(60) == 0) {
        lose_too_many();
      } else {
        pick_away();
        act(rng_.below(2), Nested::kMay);
      }
    }
    if (!failed()) end_well();
  }
  [[nodiscard]] const std::string& log() const { return log_; }

 private:
  enum class Nested : std::uint8_t { kMay, kIs };

  static bool failed() { return ::testing::Test::HasFatalFailure(); }
  void note(std::string_view what, const auto& result) {
    log_ += fmt::format("{}: {}\n", what, result ? "ok" : result.error().describe());
  }

  // ---- the world

  [[nodiscard]] std::vector<Map> newest_maps() { return newest_maps_in(many_, kPlaces); }
  [[nodiscard]] std::size_t losses() {
    std::size_t losses = 64;
    for (const Map& map : newest_maps()) losses = std::min<std::size_t>(losses, map.losses());
    return losses;
  }
  [[nodiscard]] bool is_named_by_a_map(std::size_t i) {
    return std::ranges::any_of(newest_maps(), [&](const Map& map) {
      return std::ranges::find(map.stores, ManyStores::name_of(i), &MapStore::name) !=
             map.stores.end();
    });
  }
  void all_back() {
    for (std::size_t i = 0; i < kPlaces; ++i) many_[i].away = false;
    anyone_away_ = false;
  }
  void pick_away() {
    all_back();
    const std::size_t most = losses() - std::min(losses(), lost_.size());
    for (std::uint64_t n = rng_.below(most + 1); n > 0; --n) {
      many_[rng_.below(kPlaces)].away = true;
      anyone_away_ = true;
    }
    // What a client was told by a store that went away meanwhile it does not trust any more.
    if (anyone_away_ || !lost_.empty()) trusting_.clear();
  }

  // ---- what a client does

  struct Doing {
    TestClient& client;
    bool strict =
        false;  // has to succeed, unless the client is killed or another one comes between
    int nested_before = 0;
  };
  [[nodiscard]] bool must_succeed(const Doing& doing) const {
    return doing.strict && !doing.client.life.dead() && nested_ == doing.nested_before;
  }

  void act(std::size_t number, Nested nested) {
    TestClient& client = *clients_[number];
    const int changes = rng_.below(2) == 0 ? kNever : static_cast<int>(rng_.below(12));
    const bool meets = nested == Nested::kMay && rng_.below(3) == 0;
    const int calls = meets ? static_cast<int>(rng_.below(60)) : kNever;
    const std::int64_t passes = rng_.below(8) == 0 ? 3'600 : 1;
    client.life.begin_anew(changes, calls, [this, number, passes] {
      ++nested_;
      log_ += "  meanwhile: ";
      clock_.turn(passes);
      act(1 - number, Nested::kIs);
      log_ += "  and then ";
    });
    if (client.backend == nullptr || rng_.below(6) == 0) {
      const Result<void> opened = client.open(many_, clock_);
      if (!opened) {
        note("open", opened);
        client.life.end();
        const bool reason = client.life.dead() || meets || nested == Nested::kIs;
        ASSERT_TRUE(reason || anyone_away_ || !lost_.empty()) << log_;
        return;
      }
      if (!anyone_away_ && lost_.empty()) trusting_.insert(number);
    }
    const auto maps = newest_maps();
    const Doing doing{.client = client,
                      .strict = trusting_.contains(number) && nested == Nested::kMay &&
                                maps.front().version == client.backend->view()->map().version,
                      .nested_before = nested_};
    do_something(doing);
    if (rng_.below(3) == 0) note("barrier", client.backend->barrier());
    client.life.end();
    if (client.life.dead()) {
      client.life.begin_anew(kNever, kNever, nullptr);
      client.backend.reset();
      trusting_.erase(number);
    }
  }

  void do_something(const Doing& doing) {
    const std::uint64_t what = rng_.below(100);
    const std::string& name = names_[rng_.below(names_.size())];
    if (what < 22) return put(doing, name);
    if (what < 34) return remove(doing, name);
    if (what < 50) return get(doing, name);
    if (what < 58) return list(doing);
    if (what < 70) return put_bulk(doing);
    if (what < 74) return remove_bulk(doing);
    if (what < 80) return get_bulk(doing);
    change_stores(doing);
  }

  void put(const Doing& doing, const std::string& name) {
    ControlModel& model = models_[name];
    const int value = next_value_++;
    const std::string text = std::to_string(value);
    model.allowed.begin_create(value);
    ++model.changes;
    Result<void> put = doing.client.backend->put(name, as_bytes(text));
    if (!put && put.error().code() == ErrorCode::kUnavailable && must_succeed(doing)) {
      // A killed removal left copies behind; the hint says what to do.
      note("repair first", repair_placement(*doing.client.backend, {}));
      put = doing.client.backend->put(name, as_bytes(text));
    }
    ++model.changes;
    note(fmt::format("put {} {}", name, value), put);
    if (put) {
      ASSERT_TRUE(model.allowed.created(value)) << log_ << model.allowed.text();
    } else if (put.error().code() == ErrorCode::kAlreadyExists) {
      ASSERT_TRUE(model.allowed.refused(value)) << log_ << model.allowed.text();
    } else {
      ASSERT_FALSE(must_succeed(doing)) << log_;
    }
  }
  void remove(const Doing& doing, const std::string& name) {
    ControlModel& model = models_[name];
    const int number = next_value_++;
    model.allowed.begin_remove(number);
    ++model.changes;
    const Result<void> removed = doing.client.backend->remove(name);
    ++model.changes;
    note("remove " + name, removed);
    if (removed) {
      ASSERT_TRUE(model.allowed.removed(number)) << log_ << model.allowed.text();
    } else {
      model.allowed.left_off(number);
      ASSERT_FALSE(must_succeed(doing)) << log_;
    }
  }
  void get(const Doing& doing, const std::string& name) {
    ControlModel& model = models_[name];
    const int changes = model.changes;
    std::set<int> before = model.allowed.values();
    const Result<Bytes> bytes = doing.client.backend->get(name, 100);
    const int value = bytes ? number_in(*bytes) : kNoValue;
    note(fmt::format("get {} {}", name, value), bytes);
    if (!bytes && bytes.error().code() != ErrorCode::kNotFound) {
      ASSERT_FALSE(must_succeed(doing)) << log_;
    } else if (model.changes == changes) {
      ASSERT_TRUE(model.allowed.seen(value)) << log_ << model.allowed.text();
    } else {
      before.merge(model.allowed.values());
      ASSERT_TRUE(before.contains(value)) << log_ << model.allowed.text();
    }
  }

  void list(const Doing& doing) {
    std::map<std::string, int> changes;
    for (const std::string& name : names_) changes[name] = models_[name].changes;
    const std::map<std::string, BulkModel> bulk = bulk_;
    std::set<std::string> listed;
    const Result<void> list =
        doing.client.backend->list("", [&](const ObjectInfo& info) -> Result<void> {
          listed.insert(info.name);
          return {};
        });
    note("list", list);
    if (!list) {
      ASSERT_FALSE(must_succeed(doing)) << log_;
      return;
    }
    for (const std::string& name : names_) {
      ControlModel& model = models_[name];
      if (model.changes != changes[name]) continue;
      const bool is = listed.contains(name);
      ASSERT_TRUE(is ? model.allowed.seen_taken() : model.allowed.seen(kNoValue))
          << log_ << name << model.allowed.text();
    }
    for (const auto& [name, model] : bulk) {
      if (bulk_[name].changes != model.changes || model.is == BulkModel::Is::kMaybe) continue;
      ASSERT_EQ(listed.contains(name), model.is == BulkModel::Is::kStored) << log_ << name;
    }
  }

  // ---- bulk objects

  static std::string bulk_bytes(const std::string& name) {
    std::string bytes;
    for (int i = 0; i < 9; ++i) bytes += name;
    return bytes;
  }
  void put_bulk(const Doing& doing) {
    std::string name = fmt::format("data/aa/{}", next_value_++);
    if (rng_.below(3) == 0) name = fmt::format("index/{}", next_value_++);
    // Or one that was not finished.
    for (const auto& [known, model] : bulk_) {
      if (!model.removal_begun && model.is == BulkModel::Is::kMaybe && rng_.below(2) == 0)
        name = known;
    }
    BulkModel& model = bulk_[name];
    const int changes = ++model.changes;
    const Result<void> put = doing.client.backend->put(name, as_bytes(bulk_bytes(name)));
    note("put " + name, put);
    const bool there = put || put.error().code() == ErrorCode::kAlreadyExists;
    const bool alone = model.changes == changes;
    ++model.changes;
    if (there && alone && !model.removal_begun) model.is = BulkModel::Is::kStored;
    if (!alone) model.is = BulkModel::Is::kMaybe;  // removed in the middle, and stored on
    ASSERT_TRUE(there || !must_succeed(doing)) << log_;
  }
  [[nodiscard]] std::optional<std::string> some_bulk() {
    if (bulk_.empty()) return std::nullopt;
    return std::next(bulk_.begin(), static_cast<std::ptrdiff_t>(rng_.below(bulk_.size())))->first;
  }
  void remove_bulk(const Doing& doing) {
    const auto name = some_bulk();
    if (!name) return;
    BulkModel& model = bulk_[*name];
    model.is = BulkModel::Is::kMaybe;
    model.removal_begun = true;
    ++model.changes;
    const Result<void> removed = doing.client.backend->remove(*name);
    ++model.changes;
    note("remove " + *name, removed);
    if (removed) model.is = BulkModel::Is::kRemoved;
    ASSERT_TRUE(removed || !must_succeed(doing)) << log_;
  }
  void get_bulk(const Doing& doing) {
    const auto name = some_bulk();
    if (!name) return;
    const BulkModel before = bulk_[*name];
    const auto bytes = doing.client.backend->get(*name, 10'000);
    note("get " + *name, bytes);
    const bool absent = !bytes && bytes.error().code() == ErrorCode::kNotFound;
    ASSERT_TRUE(!bytes || as_text(*bytes) == bulk_bytes(*name)) << log_;
    if (bulk_[*name].changes != before.changes || before.is == BulkModel::Is::kMaybe) return;
    // What was removed may still be read where a store was away, until a list leaves it out: it is
    // what its name says.
    const bool stored = before.is == BulkModel::Is::kStored;
    ASSERT_FALSE(stored && absent) << log_;
    ASSERT_TRUE(bytes || absent || !must_succeed(doing)) << log_;
  }

  // ---- stores come and go

  void change_stores(const Doing& doing) {
    PlacementBackend& client = *doing.client.backend;
    const std::uint64_t what = rng_.below(10);
    if (what < 2) add(doing.client);
    if (what == 2 || what == 3) take_out(client, rng_.below(kPlaces));
    if (what == 4) drain(client);
    if (what == 5) note("repair", repair_placement(client, {}));
    if (what != 5 && rng_.below(3) > 0) note("rebalance", rebalance_placement(client, {}));
  }
  void add(TestClient& client) {
    std::size_t place = kPlaces;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      if (!is_named_by_a_map(i) && !many_[i].away && rng_.below(2) == 0) place = i;
    }
    if (place == kPlaces) return;
    const std::string name = ManyStores::name_of(place);
    const auto opened = client.opener(many_)(name);
    const auto joining = opened ? prepare_store(*client.backend, *many_.file().find(name), **opened)
                                : Result<MapStore>(std::unexpected(opened.error().clone()));
    note("prepare " + name, joining);
    if (!joining) {
      // Of an attempt or a removal that was cut, perhaps.
      if (joining.error().code() == ErrorCode::kAlreadyExists && !is_named_by_a_map(place))
        many_[place].memory.set_objects({});
      return;
    }
    note("add " + name, change_map(*client.backend, [&](Map& map) -> Result<void> {
           map.stores.push_back(*joining);
           std::ranges::sort(map.stores, {}, &MapStore::name);
           return {};
         }));
  }
  void take_out(PlacementBackend& client, std::size_t place) {
    const std::string name = ManyStores::name_of(place);
    const Result<void> begun = change_map(client, [&](Map& map) -> Result<void> {
      const auto found = std::ranges::find(map.stores, name, &MapStore::name);
      if (found == map.stores.end() || map.stores.size() <= 3)
        return fail(ErrorCode::kInvalidArgument, "not this one");
      found->membership = Membership::kLeaving;
      return {};
    });
    note("take out " + name, begun);
  }
  void drain(PlacementBackend& client) {
    const std::string name = ManyStores::name_of(rng_.below(kPlaces));
    note("drain or fill " + name, change_map(client, [&](Map& map) -> Result<void> {
           const auto found = std::ranges::find(map.stores, name, &MapStore::name);
           if (found == map.stores.end()) return fail(ErrorCode::kInvalidArgument, "not this one");
           found->weight = found->weight == 0 ? 1 : 0;
           return {};
         }));
  }

  // ---- disks are lost

  void lose_a_disk() {
    all_back();
    if (losses() == 0) return;
    const std::vector<Map> maps = newest_maps();
    const auto& stores = maps.front().stores;
    const std::string& name = stores[rng_.below(stores.size())].name;
    const auto place = static_cast<std::size_t>(std::stoul(name.substr(1)));
    lost_[place] = many_[place].memory.objects();
    many_[place].memory.set_objects({});
    // What is put in the folder below the mount point of a disk is told of by barriers alone:
    // gone_and_back_test.cc.
    ++many_[place].disks_taken;
    trusting_.clear();
    log_ += fmt::format("the disk of {} is lost\n", name);
  }
  // Fills an empty disk in its place, or takes the store out; each may be cut.
  void resolve_the_loss() {
    all_back();
    TestClient& client = *clients_[rng_.below(2)];
    const int changes = rng_.below(3) > 0 ? kNever : static_cast<int>(rng_.below(40));
    client.life.begin_anew(changes, kNever, nullptr);
    const Result<void> opened = client.open(many_, clock_);
    if (opened) {
      for (const auto& [place, disk] : std::map(lost_)) resolve(client, place, disk);
    } else {
      note("open", opened);
    }
    if (client.life.dead()) client.backend.reset();
    client.life.begin_anew(kNever, kNever, nullptr);
  }
  void resolve(TestClient& client, std::size_t place, const MemoryBackend::Objects& disk) {
    const std::string name = ManyStores::name_of(place);
    if (rng_.below(2) == 0) {
      take_out(*client.backend, place);
      note("rebalance", rebalance_placement(*client.backend, {}));
      const auto& stores = client.backend->view()->map().stores;
      const bool is = std::ranges::find(stores, name, &MapStore::name) != stores.end();
      if (!client.life.dead() && !is) lost_.erase(place);
      return;
    }
    const auto opened = client.opener(many_)(name);
    if (!opened) return;
    const auto report = refill_store(*client.backend, name, **opened, {});
    note("replace " + name, report);
    const MemoryBackend::Objects now = many_[place].memory.objects();
    const bool refused = !report && report.error().code() == ErrorCode::kAlreadyExists;
    if (refused && !now.contains("placement/store")) {
      // What was put there when it had been begun to be filled; the hint says what to do.
      many_[place].memory.set_objects({});
    } else if (report || now.contains("placement/store")) {
      lost_.erase(place);
    } else if (!client.life.dead() && now.empty() &&
               is_the_store(newest_maps(), ManyStores::name_of(place), disk)) {
      log_ += "the disk is found again\n";
      many_[place].memory.set_objects(disk);
      lost_.erase(place);
    }
  }

  // More than may be, for ever.
  void lose_too_many() {
    all_back();
    for (const auto& client : clients_) client->backend.reset();
    trusting_.clear();
    const std::vector<Map> maps = newest_maps();
    std::vector<std::string> left;
    for (const MapStore& store : maps.front().stores) left.push_back(store.name);
    std::vector<std::string> gone;
    const std::size_t count = left.size() - left.size() / 2;
    if (left.size() - count < maps.front().redundancy.data) return;
    while (gone.size() < count) {
      const std::size_t i = rng_.below(left.size());
      gone.push_back(left[i]);
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    }
    SeededRng rng(rng_.next_u64());
    const PlacementWorld world{clock_, rng};
    std::map<std::string, MemoryBackend::Objects> disks;
    for (const std::string& name : gone) {
      auto& memory = many_[static_cast<std::size_t>(std::stoul(name.substr(1)))].memory;
      disks[name] = memory.objects();
      memory.set_objects({});
    }
    const auto planned = plan_giving_up(many_.file(), many_.opener(), gone, world);
    note("give up", planned);
    if (!planned) {
      for (auto& [name, disk] : disks)
        many_[static_cast<std::size_t>(std::stoul(name.substr(1)))].memory.set_objects(disk);
      return;
    }
    ASSERT_TRUE(give_up(many_.file(), many_.opener(), *planned, world).has_value()) << log_;
    look_what_is_left(planned->after);
  }
  void look_what_is_left(const Map& rest) {
    TestClient& client = *clients_.front();
    client.life.begin_anew(kNever, kNever, nullptr);
    ASSERT_TRUE(client.open(many_, clock_).has_value()) << log_;
    note("repair", repair_placement(*client.backend, {}));
    for (const std::string& name : names_) {
      const auto bytes = client.backend->get(name, 100);
      const bool said = bytes || bytes.error().code() == ErrorCode::kNotFound;
      ASSERT_TRUE(said) << log_ << name << bytes.error().describe();
      models_[name].allowed.found_after_a_loss(bytes ? number_in(*bytes) : kNoValue);
    }
    for (auto& [name, model] : bulk_) {
      // Two of the same shard are one.
      std::set<unsigned> parts;
      for (const MapStore& store : rest.stores) {
        const auto place = static_cast<std::size_t>(std::stoul(store.name.substr(1)));
        const auto objects = many_[place].memory.objects();
        const auto part = objects.find(name);
        if (part == objects.end()) continue;
        const auto header = decode_part_header(name, part->second);
        if (header) parts.insert(header->index);
      }
      const auto bytes = client.backend->get(name, 10'000);
      const bool stored = model.is == BulkModel::Is::kStored;
      ASSERT_TRUE(bytes || !stored || parts.size() < rest.redundancy.data) << log_ << name;
      if (!bytes || !stored) model.is = BulkModel::Is::kMaybe;
      if (!bytes || !stored) model.removal_begun = true;
    }
  }

  // ---- the end

  void end_well() {
    for (int attempt = 0; attempt < 40 && !lost_.empty() && !failed(); ++attempt)
      resolve_the_loss();
    ASSERT_TRUE(lost_.empty()) << log_;
    all_back();
    clock_.turn(10);
    TestClient& client = *clients_.front();
    clients_.back()->backend.reset();
    client.life.begin_anew(kNever, kNever, nullptr);
    ASSERT_TRUE(client.open(many_, clock_).has_value()) << log_;
    const auto rebalanced = rebalance_placement(*client.backend, {});
    note("rebalance", rebalanced);
    ASSERT_TRUE(rebalanced && rebalanced->settled) << log_ << troubles_of(rebalanced);
    for (int pass = 0; pass < 2; ++pass) {
      const auto repaired = repair_placement(*client.backend, {.reading = Reading::kAllBytes});
      ASSERT_TRUE(repaired.has_value()) << log_ << repaired.error().describe();
      for (const std::string& name : repaired->lost) {
        // When stores were given up it was said that it may be.
        const bool given_up = bulk_.contains(name) && bulk_[name].is != BulkModel::Is::kStored;
        ASSERT_TRUE(given_up) << log_ << name;
      }
    }
    expect_nothing_missing(client);
    const auto& stores = client.backend->view()->map().stores;
    const std::size_t may_go = client.backend->view()->map().losses();
    for (StoreMask mask = 0; mask < StoreMask{1} << stores.size() && !failed(); ++mask) {
      if (count_of(mask) != may_go) continue;
      all_back();
      for (const unsigned i : members_of(mask))
        many_[static_cast<std::size_t>(std::stoul(stores[i].name.substr(1)))].away = true;
      TestClient reader(mask + 1);
      const Result<void> opened = reader.open(many_, clock_);
      ASSERT_TRUE(opened.has_value()) << log_ << opened.error().describe();
      log_ += fmt::format("without {:b}: ", mask);
      expect_nothing_missing(reader);
    }
  }
  static std::string troubles_of(const Result<UpkeepReport>& report) {
    if (!report) return report.error().describe();
    std::string text;
    for (const std::string& trouble : report->troubles) text += trouble + "\n";
    return text;
  }
  void expect_nothing_missing(TestClient& client) {
    anyone_away_ = false;
    const Doing doing{.client = client, .strict = true, .nested_before = nested_};
    list(doing);
    for (const std::string& name : names_) {
      if (!failed()) get(doing, name);
    }
    for (const auto& [name, model] : bulk_) {
      if (model.is != BulkModel::Is::kStored) continue;
      const auto bytes = client.backend->get(name, 10'000);
      ASSERT_TRUE(bytes.has_value()) << log_ << bytes.error().describe();
      ASSERT_EQ(as_text(*bytes), bulk_bytes(name)) << log_;
    }
  }

  SteppedClock clock_;
  SeededRng rng_;
  ManyStores many_;
  std::vector<std::unique_ptr<TestClient>> clients_;
  std::map<std::size_t, MemoryBackend::Objects> lost_;  // with what was on the disks
  bool anyone_away_ = false;
  std::set<std::size_t> trusting_;  // clients that have met no trouble since they were opened
  std::atomic<int> nested_ = 0;
  const std::vector<std::string> names_{"leases/a", "generations/b", "config", "snapshots/c"};
  std::map<std::string, ControlModel> models_;
  std::map<std::string, BulkModel> bulk_;
  std::string log_;
  int next_value_ = 0;
};

class MapHistories : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

int number_from(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), otherwise);
  return otherwise;
}

TEST_P(MapHistories, LoseNothingWhateverBecomesOfTheStores) {
  const auto& [layout, stores] = GetParam();
  const int first = number_from("BACKSTAY_HISTORY_SEED", 1);
  const int seeds = number_from("BACKSTAY_HISTORIES", 4);
  for (int seed = first; seed < first + seeds; ++seed) {
    MapHistory history(layout, static_cast<std::size_t>(stores), static_cast<std::uint64_t>(seed));
    history.run(80);
    if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Placement, MapHistories,
                         ::testing::Values(std::tuple("copies: 2", 4), std::tuple("copies: 3", 5),
                                           std::tuple("shards: 2+1", 5)));

}  // namespace
}  // namespace backstay::backend::placement
