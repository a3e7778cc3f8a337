// What one name of a store may be after what its clients were told, where calls overlap and
// clients are killed.
//
// All states that the answers so far allow are kept: a value or none, and which creations and
// removals that were begun have not taken effect. Each takes effect at most once, at any moment
// after it was begun. An answer that no such state allows is a fault.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace backstay::backend::placement {

inline constexpr int kNoValue = -1;

class OverlappingModel {
 public:
  OverlappingModel() { states_.insert(State{}); }

  // ---- creations, each of a value of its own
  void begin_create(int value) {
    change([&](State& state) { state.creations.insert(value); });
  }
  bool created(int value) {
    return keep([&](const State& state) { return !state.creations.contains(value); });
  }
  // Something else was there.
  bool refused(int value) {
    const bool possible = keep([&](const State& state) { return state.creations.contains(value); });
    change([&](State& state) { state.creations.erase(value); });
    return possible;
  }

  // ---- removals, which have numbers
  void begin_remove(int number) {
    change([&](State& state) { state.removals.insert(number); });
  }
  bool removed(int number) {
    return keep([&](const State& state) { return !state.removals.contains(number); });
  }
  // It may take effect later. Of such ones two are remembered.
  void left_off(int number) {
    change([&](State& state) {
      if (state.removals.erase(number) == 0) return;
      if (!state.removals.insert(-1).second) state.removals.insert(-2);
    });
  }

  // ---- reads
  bool seen(int value) {
    return keep([&](const State& state) { return state.value == value; });
  }
  bool seen_taken() {
    return keep([&](const State& state) { return state.value != kNoValue; });
  }
  [[nodiscard]] std::set<int> values() {
    settle();
    std::set<int> values;
    for (const State& state : states_) values.insert(state.value);
    return values;
  }
  // After stores were given up: what is found then is what it is.
  void found_after_a_loss(int value) {
    change([&](State& state) {
      state.value = value;
      state.creations.erase(value);
    });
  }

  [[nodiscard]] std::string text() const {
    std::string out;
    for (const State& state : states_) {
      out += fmt::format("{{{} under way:", state.value);
      for (const int value : state.creations) out += fmt::format(" {}", value);
      out += fmt::format(" removals {}}} ", state.removals.size());
    }
    return out;
  }

 private:
  struct State {
    int value = kNoValue;
    std::set<int> creations;
    std::set<int> removals;
    friend auto operator<=>(const State&, const State&) = default;
  };

  // What was begun may take effect at any time.
  void settle() {
    std::vector<State> open(states_.begin(), states_.end());
    while (!open.empty()) {
      const State state = open.back();
      open.pop_back();
      const auto reach = [&](State next) {
        if (states_.insert(next).second) open.push_back(std::move(next));
      };
      for (const int number : state.removals) {
        State next = state;
        next.value = kNoValue;
        next.removals.erase(number);
        reach(std::move(next));
      }
      if (state.value != kNoValue) continue;
      for (const int value : state.creations) {
        State next = state;
        next.value = value;
        next.creations.erase(value);
        reach(std::move(next));
      }
    }
  }
  template <typename Holds>
  bool keep(const Holds& holds) {
    settle();
    std::erase_if(states_, [&](const State& state) { return !holds(state); });
    return !states_.empty();
  }
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

}  // namespace backstay::backend::placement
