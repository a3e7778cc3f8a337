// When changes have settled: a pure decision about moments.
#pragma once

#include <chrono>
#include <optional>

namespace backstay::watch {

struct Rest {
  std::chrono::milliseconds settle{1000};        // so long nothing may change
  std::chrono::milliseconds interval_max{5000};  // after the first change nobody waits longer
};

class Settling {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  explicit Settling(Rest rest) : rest_(rest) {}

  void changed(Moment now);
  // What changed was captured: the next change is a first one again.
  void captured() { first_.reset(); }
  // Nothing is captured before this moment, because it has failed.
  void hold_until(Moment moment) { not_before_ = moment; }

  [[nodiscard]] std::optional<Moment> first_change() const { return first_; }
  // When what changed so far is captured; the end of time while nothing changed.
  [[nodiscard]] Moment due() const;

 private:
  const Rest rest_;
  std::optional<Moment> first_;
  Moment last_;
  Moment not_before_ = Moment::min();
};

}  // namespace backstay::watch
