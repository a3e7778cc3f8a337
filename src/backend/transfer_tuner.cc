#include "backend/transfer_tuner.h"

#include <algorithm>

namespace backstay::backend {
namespace {

// Of the goodput, for a step to be kept: more than it moves from one window to the next by itself
// on a line that is used by nobody else.
constexpr double kGainLeast = 1.05;
// A window says something about a number when so much of it was really under way on average.
constexpr double kBusyLeast = 0.8;
// A window has at least so many transfers, and two for each that is under way.
constexpr std::uint64_t kTransfersLeast = 8;
constexpr std::chrono::milliseconds kWindowLeast{200};
// Windows without a step once none is better.
constexpr std::uint64_t kRestFirst = 4;
constexpr std::uint64_t kRestMost = 64;
// So many failures, and a third of all, are no chance any more.
constexpr std::uint64_t kFailuresLeast = 3;

}  // namespace

TransferTuner::TransferTuner(const Options& options)
    : options_{.first = std::clamp<std::size_t>(options.first, 1,
                                                std::max<std::size_t>(options.most, 1)),
               .most = std::max<std::size_t>(options.most, 1)},
      allowed_(options_.first),
      next_rest_(kRestFirst) {}

void TransferTuner::pass_time(Moment now) {
  if (window_.is_open) window_.area += (now - last_) * static_cast<Duration::rep>(under_way_);
  last_ = now;
}

TransferTuner::Ticket TransferTuner::begin(Moment now) {
  pass_time(now);
  if (!window_.is_open) {
    window_.is_open = true;
    window_.begun = now;
  }
  ++under_way_;
  ++summary_.transfers;
  summary_.most_under_way = std::max(summary_.most_under_way, under_way_);
  return {.began = now, .setting = setting_};
}

void TransferTuner::end(const Ticket& ticket, std::uint64_t bytes, Outcome outcome, Moment now) {
  pass_time(now);
  --under_way_;
  // What began before the last change says nothing about it.
  if (ticket.setting != setting_) return;
  ++window_.transfers;
  if (outcome != Outcome::kDone) ++window_.failed;
  window_.bytes += bytes;
  window_.spent += now - ticket.began;
  if (is_too_much(outcome)) {
    set_back();
  } else if (is_full(now)) {
    judge(now);
  }
}

bool TransferTuner::is_too_much(Outcome outcome) const {
  if (outcome == Outcome::kSlowDown) return true;
  return outcome == Outcome::kFailed && window_.failed >= kFailuresLeast &&
         3 * window_.failed >= window_.transfers;
}

bool TransferTuner::is_full(Moment now) const {
  const std::uint64_t least = std::max<std::uint64_t>(kTransfersLeast, 2 * allowed_);
  return window_.transfers >= least && now - window_.begun >= kWindowLeast;
}

void TransferTuner::set_allowed(std::size_t allowed) {
  allowed_ = allowed;
  ++setting_;
  window_ = {};
}

// The next steps are small ones: what was too much once may be so again.
void TransferTuner::set_back() {
  ++summary_.set_back;
  on_trial_ = false;
  step_ = Step::kMore;
  rest_ = kRestFirst;
  next_rest_ = kRestFirst;
  set_allowed(std::max<std::size_t>(allowed_ / 2, 1));
}

void TransferTuner::judge(Moment now) {
  using Seconds = std::chrono::duration<double>;
  const double mean = Seconds(window_.area) / Seconds(now - window_.begun);
  const double seconds = std::max(Seconds(window_.spent).count(), 1e-9);
  const double goodput = static_cast<double>(window_.bytes) / seconds * mean;
  const bool busy = mean >= kBusyLeast * static_cast<double>(allowed_);
  window_ = {.begun = now, .is_open = true};
  if (on_trial_) {
    judge_step(goodput, busy);
  } else if (busy) {
    goodput_before_ = goodput;
    if (rest_ > 0) {
      --rest_;
    } else {
      next_step();
    }
  }
}

void TransferTuner::judge_step(double goodput, bool busy) {
  on_trial_ = false;
  if (busy && goodput >= goodput_before_ * kGainLeast) {
    ++summary_.steps_kept;
    next_rest_ = kRestFirst;
    goodput_before_ = goodput;
    next_step();  // in the same direction
    return;
  }
  step_ = static_cast<Step>(static_cast<std::uint8_t>(step_) + 1);
  set_allowed(allowed_before_);
}

std::size_t TransferTuner::after(Step step) const {
  const std::size_t quarter = std::max<std::size_t>(allowed_ / 4, 1);
  switch (step) {
    case Step::kDouble:
      return std::min(2 * allowed_, options_.most);
    case Step::kMore:
      return std::min(allowed_ + quarter, options_.most);
    case Step::kFewer:
      return std::max(allowed_ - std::min(quarter, allowed_), std::size_t{1});
    case Step::kNone:
      break;
  }
  return allowed_;
}

void TransferTuner::next_step() {
  for (; step_ != Step::kNone; step_ = static_cast<Step>(static_cast<std::uint8_t>(step_) + 1)) {
    const std::size_t tried = after(step_);
    if (tried == allowed_) continue;
    ++summary_.steps_tried;
    on_trial_ = true;
    allowed_before_ = allowed_;
    set_allowed(tried);
    return;
  }
  step_ = Step::kMore;
  rest_ = next_rest_;
  next_rest_ = std::min(2 * next_rest_, kRestMost);
}

TransferTuner::Summary TransferTuner::summary() const {
  Summary summary = summary_;
  // What is on trial is not chosen yet.
  summary.allowed = on_trial_ ? allowed_before_ : allowed_;
  return summary;
}

}  // namespace backstay::backend
