// The store of a simulation: one for all, and for each actor a way to it that fails.
//
// It keeps what docs/format.md section 8.7 asks of a store, and no more: a listing sees what was
// there all the time, and may or may not see what comes or goes meanwhile, in any order; answers
// are lost, requests are done twice, snapshots whose put failed appear much later, space runs out;
// its clock jumps both ways. In some worlds it
// does not even keep that, and says so: what came or went is listed so only many calls later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "base/rng.h"

namespace backstay::sim {

struct SharedStore {
  struct Object {
    std::shared_ptr<const Bytes> bytes;
    Timestamp modified;
  };
  using Objects = std::map<std::string, Object, std::less<>>;
  Objects objects;

  // From now on lists show a change up to so many calls later.
  void fall_behind(std::uint64_t calls_max);
  // From now on all is shown at once.
  void catch_up() { late_calls_max_ = 0; }
  [[nodiscard]] bool lists_late() const { return late_calls_max_ > 0; }
  // `name` came or went just now.
  void changed(const std::string& name, SeededRng& dice);
  // What a list shows.
  [[nodiscard]] const Objects& listed();
  std::uint64_t calls = 0;
  // A creation that nobody hears of takes effect only at that call.
  void put_later(std::uint64_t at_call, std::string name, std::shared_ptr<const Bytes> bytes);
  // What is due by now takes effect.
  void arrive(SeededRng& dice);
  // All of it does.
  void arrive_all(SeededRng& dice);

  Timestamp now{.seconds = 1'700'000'000, .nanos = 0};
  bool full = false;

 private:
  std::uint64_t late_calls_max_ = 0;
  Objects shown_;  // while lists are late
  std::multimap<std::uint64_t, std::string> due_;
  std::multimap<std::uint64_t, std::pair<std::string, std::shared_ptr<const Bytes>>> on_the_way_;
};

// How often, in 1024ths of calls.
struct Faults {
  std::uint64_t crash = 0;
  std::uint64_t lost_answer = 0;
  std::uint64_t refused = 0;  // nothing happened, and the caller is told so
  std::uint64_t twice = 0;
};

class SimBackend final : public backend::Backend {
 public:
  // `yield` gives control away; it is called before each call and within listings.
  SimBackend(SharedStore& store, SeededRng& dice, const Faults& faults,
             std::function<void()> yield);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> barrier() override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<backend::ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] backend::Capabilities capabilities() const override {
    return {.conditional_create = true,
            .lists_at_once = !store_.lists_late(),
            .server_time = true,
            .object_bytes_max = 0};
  }
  [[nodiscard]] std::string describe() const override { return "simulated store"; }

  [[nodiscard]] bool crashed() const { return crashed_; }
  // Whether anything went wrong that a caller could tell.
  [[nodiscard]] bool troubled() const { return troubled_; }
  // Told of each call, for the story of a schedule.
  std::function<void(const std::string&)> told;

 private:
  enum class Fate : std::uint8_t { kWell, kTwice, kDoneUntold, kNotDone };
  Fate begin(std::string_view what, std::string_view name);
  Result<void> carry_out(Fate fate, const std::function<Result<void>()>& act);
  Result<void> read(std::string_view what, std::string_view name);
  std::unexpected<Error> trouble() const;

  SharedStore& store_;
  SeededRng& dice_;
  const Faults faults_;
  const std::function<void()> yield_;
  bool crashed_ = false;
  bool troubled_ = false;
};

}  // namespace backstay::sim
