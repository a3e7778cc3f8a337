// How many transfers go at once, found by what comes of it.
//
// Nobody knows beforehand how many a line and a store can use: with short round trips one fills the
// line, over a long one each waits most of its time, many a store limits each connection, and some
// become slower, or refuse, when there are too many. So it is hill climbing on the goodput that is
// measured: a window of transfers with the number as it is, then one with another number, which is
// kept only when the goodput rose by kGainLeast. Tried are, in this order, the double, a quarter
// more and a quarter less; where none is better, the number stays for some windows, for more of
// them each time. A store that says "slow down", or that fails much of what is asked of it, gets
// half as many.
//
// The goodput of a window is, by Little's law (L = lambda W), the bytes of its transfers divided by
// the time that they took, times the mean number that were under way. Unlike bytes by the clock
// this does not jump with whether a last large object came just before the end of the window or
// just after it. Windows in which fewer were under way than were allowed say nothing: somebody else
// is slow then.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace backstay::backend {

// For one thread at a time; the time is told with every call and never goes back.
class TransferTuner {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  struct Options {
    std::size_t first = 1;  // of so many it begins
    std::size_t most = 1;   // the least is 1
  };
  explicit TransferTuner(const Options& options);

  // A transfer that began.
  struct Ticket {
    Moment began;
    std::uint64_t setting = 0;
  };
  enum class Outcome : std::uint8_t {
    kDone,      // or refused for a reason that has nothing to do with how many there are
    kFailed,    // the line broke, or the store did not answer: once is chance, often is not
    kSlowDown,  // the store said that it is too much
  };
  [[nodiscard]] Ticket begin(Moment now);
  // `bytes`: of what came through; 0 unless it is done.
  void end(const Ticket& ticket, std::uint64_t bytes, Outcome outcome, Moment now);

  // At most so many should be under way.
  [[nodiscard]] std::size_t allowed() const { return allowed_; }
  [[nodiscard]] std::size_t under_way() const { return under_way_; }

  struct Summary {
    std::uint64_t transfers = 0;
    std::size_t allowed = 0;
    std::size_t most_under_way = 0;
    std::uint64_t steps_tried = 0;
    std::uint64_t steps_kept = 0;
    std::uint64_t set_back = 0;  // halved, because of the store
  };
  [[nodiscard]] Summary summary() const;

 private:
  enum class Step : std::uint8_t { kDouble, kMore, kFewer, kNone };
  struct Window {
    std::uint64_t transfers = 0;
    std::uint64_t failed = 0;
    std::uint64_t bytes = 0;
    Duration spent{0};  // of all transfers, added up
    Duration area{0};   // of the number under way over time
    Moment begun{};     // when the first of this setting began
    bool is_open = false;
  };

  void pass_time(Moment now);
  void set_allowed(std::size_t allowed);
  [[nodiscard]] bool is_full(Moment now) const;
  [[nodiscard]] bool is_too_much(Outcome outcome) const;
  void set_back();
  void judge(Moment now);
  void judge_step(double goodput, bool busy);
  void next_step();
  [[nodiscard]] std::size_t after(Step step) const;

  const Options options_;
  std::size_t allowed_;
  std::uint64_t setting_ = 0;  // counts changes of allowed_
  std::size_t under_way_ = 0;
  Moment last_{};
  Window window_;

  bool on_trial_ = false;
  std::size_t allowed_before_ = 0;  // the step that is on trial
  double goodput_before_ = 0;       // bytes a second
  Step step_ = Step::kDouble;       // the one on trial, or the next
  std::uint64_t rest_ = 0;          // windows until the next step
  std::uint64_t next_rest_;
  Summary summary_;
};

}  // namespace backstay::backend
