#include "backend/transfer_tuner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/rng.h"

namespace backstay::backend {
namespace {

using Outcome = TransferTuner::Outcome;
using Seconds = std::chrono::duration<double>;

// A line and a store behind it, as fluids: all transfers share the line evenly.
struct SimulatedLine {
  std::string name;
  double round_trip = 0;          // seconds, before the first byte of each
  double bytes_per_second = 1e9;  // of the line
  double each_at_most = 1e9;      // of one transfer: the window of its connection, or a limit
  double transfer_bytes = 1 << 20;
  std::size_t knee = 1000;              // more than so many at once are less together ...
  double loss_beyond_knee = 0;          // ... by this share of it for each
  std::size_t slow_down_beyond = 1000;  // more than so many at once are refused
  double jitter = 0;                    // of the round trip and of the size, of each transfer
  double break_share = 0;               // of the transfers, at random
};

// One run over the line, with always more to send. The tuner decides how many go, or where `fixed`
// is not 0, that does.
class LineRun {
 public:
  LineRun(const SimulatedLine& line, TransferTuner::Options options, std::size_t fixed = 0)
      : line_(line), tuner_(options), fixed_(fixed) {}

  // Bytes a second that came through in so many seconds from now on.
  double goodput(double seconds) {
    const double begun = now_;
    const double bytes = done_bytes_;
    while (now_ < begun + seconds) step();
    return (done_bytes_ - bytes) / (now_ - begun);
  }
  TransferTuner& tuner() { return tuner_; }

 private:
  struct Transfer {
    TransferTuner::Ticket ticket;
    double silent = 0;  // seconds until its first byte
    double left = 0;    // bytes
    double bytes = 0;
    Outcome outcome = Outcome::kDone;
  };

  [[nodiscard]] TransferTuner::Moment moment() const {
    return TransferTuner::Moment(
        std::chrono::duration_cast<TransferTuner::Duration>(Seconds(now_)));
  }

  double around(double mean) {
    const double draw = static_cast<double>(rng_.below(2001)) / 1000 - 1;
    return mean * (1 + line_.jitter * draw);
  }

  void begin() {
    Transfer one{.ticket = tuner_.begin(moment()),
                 .silent = around(line_.round_trip),
                 .left = around(line_.transfer_bytes)};
    one.bytes = one.left;
    if (going_.size() >= line_.slow_down_beyond) {
      one.outcome = Outcome::kSlowDown;
    } else if (static_cast<double>(rng_.below(1000)) < 1000 * line_.break_share) {
      one.outcome = Outcome::kFailed;
    }
    if (one.outcome == Outcome::kSlowDown) one.left = 1;
    going_.push_back(one);
  }

  [[nodiscard]] double rate_of_each() const {
    const auto flowing = static_cast<double>(
        std::ranges::count_if(going_, [](const Transfer& one) { return one.silent <= 0; }));
    double all = line_.bytes_per_second;
    if (going_.size() > line_.knee) {
      const auto beyond = static_cast<double>(going_.size() - line_.knee);
      all = std::max(all * 0.05, all * (1 - line_.loss_beyond_knee * beyond));
    }
    return std::min(line_.each_at_most, all / std::max(flowing, 1.0));
  }

  void step() {
    while (going_.size() < (fixed_ != 0 ? fixed_ : tuner_.allowed())) begin();
    const double rate = rate_of_each();
    double pause = 1e9;
    for (const Transfer& one : going_)
      pause = std::min(pause, one.silent > 0 ? one.silent : one.left / rate);
    pause = std::max(pause, 1e-9);
    now_ += pause;
    for (Transfer& one : going_) {
      if (one.silent > 0) {
        one.silent -= pause;
        if (one.silent < 1e-9) one.silent = 0;
      } else {
        one.left -= pause * rate;
      }
    }
    std::erase_if(going_, [this](const Transfer& one) {
      if (one.silent > 0 || one.left > 1e-3) return false;
      const double bytes = one.outcome == Outcome::kDone ? one.bytes : 0;
      done_bytes_ += bytes;
      tuner_.end(one.ticket, static_cast<std::uint64_t>(bytes), one.outcome, moment());
      return true;
    });
  }

  const SimulatedLine& line_;
  TransferTuner tuner_;
  const std::size_t fixed_;
  SeededRng rng_{1};
  std::vector<Transfer> going_;
  double now_ = 0;
  double done_bytes_ = 0;
};

constexpr std::size_t kMost = 16;

double best_fixed(SimulatedLine line, double seconds) {
  const std::size_t most = std::min(kMost, line.slow_down_beyond);
  line.slow_down_beyond = 1000;
  double best = 0;
  for (std::size_t number = 1; number <= most; ++number)
    best = std::max(best, LineRun(line, {}, number).goodput(seconds));
  return best;
}

constexpr double kMbit = 1e6 / 8;

std::vector<SimulatedLine> lines() {
  std::vector<SimulatedLine> all;
  for (const double round_trip : {0.0, 0.01, 0.05, 0.2}) {
    for (const double mbit : {10.0, 100.0, 1000.0}) {
      for (const double each : {1000.0, 40.0}) {
        all.push_back({.name = std::to_string(round_trip) + " s, " + std::to_string(mbit) +
                               " Mbit/s, each at most " + std::to_string(each),
                       .round_trip = round_trip,
                       .bytes_per_second = mbit * kMbit,
                       .each_at_most = each * kMbit});
      }
    }
  }
  all.push_back({.name = "a folder of this machine", .bytes_per_second = 2e9, .each_at_most = 2e9});
  all.push_back({.name = "a slow disk behind a network that seeks between many",
                 .round_trip = 0.001,
                 .bytes_per_second = 1e8,
                 .knee = 3,
                 .loss_beyond_knee = 0.05});
  all.push_back({.name = "small frames over a long line",
                 .round_trip = 0.2,
                 .bytes_per_second = 100 * kMbit,
                 .transfer_bytes = 64 << 10});
  all.push_back({.name = "packs over a line that is not steady",
                 .round_trip = 0.05,
                 .bytes_per_second = 100 * kMbit,
                 .each_at_most = 20 * kMbit,
                 .transfer_bytes = 8 << 20,
                 .jitter = 0.5});
  all.push_back({.name = "a line that breaks now and then",
                 .round_trip = 0.05,
                 .bytes_per_second = 1000 * kMbit,
                 .each_at_most = 100 * kMbit,
                 .break_share = 0.02});
  return all;
}

TEST(TransferTuner, ComesWithinATenthOfTheBestFixedNumberOnEveryLine) {
  for (const SimulatedLine& line : lines()) {
    // As long as about a thousand transfers take.
    const double seconds =
        1000 * (line.transfer_bytes / std::min(line.bytes_per_second, 8 * line.each_at_most) +
                line.round_trip / 8);
    const double best = best_fixed(line, seconds);
    for (const std::size_t first : {1U, 4U, 8U, 16U}) {
      LineRun run(line, {.first = first, .most = kMost});
      // With what it takes to learn it, and once it is learned.
      EXPECT_GE(run.goodput(seconds), 0.8 * best) << line.name << ", beginning with " << first;
      EXPECT_GE(run.goodput(seconds), 0.9 * best) << line.name << ", beginning with " << first;
    }
  }
}

TEST(TransferTuner, DoesNotHurtWhereEveryNumberIsAsGood) {
  const SimulatedLine line{
      .name = "a folder of this machine", .bytes_per_second = 2e9, .each_at_most = 2e9};
  LineRun run(line, {.first = 4, .most = kMost});
  EXPECT_GE(run.goodput(10), 0.99 * best_fixed(line, 10));
}

TEST(TransferTuner, GoesBackWhereMoreIsLess) {
  const SimulatedLine line{.name = "a store that minds many",
                           .round_trip = 0.005,
                           .bytes_per_second = 1e8,
                           .knee = 2,
                           .loss_beyond_knee = 0.1};
  LineRun run(line, {.first = 8, .most = kMost});
  run.goodput(200);
  EXPECT_LE(run.tuner().summary().allowed, 3U);
}

TEST(TransferTuner, StaysWhereNoNumberIsBetter) {
  const SimulatedLine line{.name = "full already", .bytes_per_second = 1e7};
  LineRun run(line, {.first = 4, .most = kMost});
  run.goodput(1000);
  const auto summary = run.tuner().summary();
  EXPECT_EQ(summary.allowed, 4U);
  EXPECT_EQ(summary.steps_kept, 0U);
  // Of about 9500 transfers and 1200 windows: looking costs next to nothing.
  EXPECT_LE(summary.steps_tried, 60U);
}

TEST(TransferTuner, TakesHalfWhenTheStoreSaysSlowDownAndNeverEndsAtNone) {
  const SimulatedLine line{.name = "a store with a limit",
                           .round_trip = 0.05,
                           .bytes_per_second = 1000 * kMbit,
                           .each_at_most = 20 * kMbit,
                           .slow_down_beyond = 6};
  LineRun run(line, {.first = 8, .most = kMost});
  run.goodput(60);
  EXPECT_GE(run.tuner().summary().set_back, 1U);
  EXPECT_LE(run.tuner().summary().allowed, 8U);
  EXPECT_GE(run.goodput(60), 0.6 * best_fixed(line, 60));

  TransferTuner tuner({.first = 8, .most = 8});
  const TransferTuner::Moment now{};
  for (int i = 0; i < 10; ++i) tuner.end(tuner.begin(now), 0, Outcome::kSlowDown, now);
  EXPECT_EQ(tuner.allowed(), 1U);
}

TEST(TransferTuner, TakesHalfOnceForAllThatWasUnderWayTogether) {
  TransferTuner tuner({.first = 8, .most = 8});
  const TransferTuner::Moment now{};
  std::vector<TransferTuner::Ticket> tickets;
  for (int i = 0; i < 8; ++i) tickets.push_back(tuner.begin(now));
  for (const auto& ticket : tickets) tuner.end(ticket, 0, Outcome::kSlowDown, now);
  EXPECT_EQ(tuner.allowed(), 4U);
  EXPECT_EQ(tuner.under_way(), 0U);
}

TEST(TransferTuner, TakesAFailureForChanceAndManyForTooMuch) {
  const TransferTuner::Moment now{};
  TransferTuner lucky({.first = 8, .most = 8});
  for (int i = 0; i < 100; ++i)
    lucky.end(lucky.begin(now), 1, i % 10 == 0 ? Outcome::kFailed : Outcome::kDone, now);
  EXPECT_EQ(lucky.allowed(), 8U);
  TransferTuner unlucky({.first = 8, .most = 8});
  for (int i = 0; i < 3; ++i) unlucky.end(unlucky.begin(now), 0, Outcome::kFailed, now);
  EXPECT_EQ(unlucky.allowed(), 4U);
}

TEST(TransferTuner, LearnsNothingWhereFewerAreUnderWayThanAreAllowed) {
  TransferTuner tuner({.first = 4, .most = kMost});
  TransferTuner::Moment now{};
  for (int i = 0; i < 1000; ++i) {
    const auto ticket = tuner.begin(now);
    now += std::chrono::milliseconds(100);
    tuner.end(ticket, 1000, Outcome::kDone, now);
  }
  EXPECT_EQ(tuner.allowed(), 4U);
  EXPECT_EQ(tuner.summary().steps_tried, 0U);
}

TEST(TransferTuner, GrowsAgainWhenALineBecomesFaster) {
  SimulatedLine line{.name = "changes",
                     .round_trip = 0.1,
                     .bytes_per_second = 10 * kMbit,
                     .each_at_most = 1000 * kMbit};
  LineRun run(line, {.first = 2, .most = kMost});
  run.goodput(300);
  const std::size_t before = run.tuner().summary().allowed;
  line.bytes_per_second = 1000 * kMbit;
  run.goodput(100);
  EXPECT_GT(run.tuner().summary().allowed, before);
}

}  // namespace
}  // namespace backstay::backend
