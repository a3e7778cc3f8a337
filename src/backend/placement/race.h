// One read of many stores: the first ones are asked, others where those fail or are slow, until the
// answers are enough.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backend/placement/readers.h"
#include "backend/placement/view.h"

namespace backstay::backend::placement {

// What a read asks of one store. It runs on a thread that the race may be over for, so it owns
// what it uses.
template <typename T>
struct Question {
  std::function<Result<T>(Backend& backend, unsigned store)> ask;
  std::uint64_t bytes = 0;  // about so many are asked for
};

// A Judge has take(store, answer), and lacking(pending): how many good answers are lacking still,
// where `pending` are the stores that may answer in time, asked or not yet; 0 ends the race. Both
// are called by the caller's thread.
template <typename T, typename Judge>
class Race {
 public:
  // All of these outlive it.
  Race(Readers& readers, const View& view, const Question<T>& question, Judge& judge)
      : readers_(readers), view_(view), question_(question), judge_(judge) {}

  // Until the judge has enough, or all of them have answered.
  void run(const std::vector<unsigned>& candidates) {
    for (const unsigned i : candidates) {
      if (!readers_.is_overdue(id_of(i))) waiting_.push_back(i);
    }
    for (const unsigned i : candidates) {
      if (std::ranges::find(waiting_, i) == waiting_.end()) waiting_.push_back(i);
    }
    while (true) {
      const std::size_t lacking = judge_.lacking(pending());
      if (lacking == 0) return;
      while (count_of(expected()) < lacking && !waiting_.empty()) begin(Because::kAskedFor);
      if (asked_.empty()) return;
      take_answers();
    }
  }

 private:
  struct Answer {
    unsigned store;
    Result<T> result;
  };
  // What the threads share with the race, and keep alive where it is over before them.
  struct Answers {
    Mutex mutex;
    CondVar changed;
    std::deque<Answer> come GUARDED_BY(mutex);
    StoreMask overdue GUARDED_BY(mutex) = 0;
  };
  struct Asked {
    unsigned store = 0;
    Readers::Moment until;
    bool overdue = false;     // others were asked instead
    bool waited_for = false;  // there was nobody else, or no budget
  };
  enum class Because : std::uint8_t { kAskedFor, kOverdue };

  [[nodiscard]] const StoreId& id_of(unsigned i) const { return view_.map().stores[i].id; }

  [[nodiscard]] StoreMask expected() const {
    StoreMask mask = 0;
    for (const Asked& one : asked_) mask |= one.overdue ? 0 : mask_of(one.store);
    return mask;
  }

  [[nodiscard]] StoreMask pending() const { return expected() | set_of(waiting_); }

  void begin(Because why) {
    const unsigned i = waiting_.front();
    waiting_.pop_front();
    if (why == Because::kAskedFor) readers_.count_request();
    const Readers::Moment begun = readers_.now();
    asked_.push_back({.store = i, .until = begun + readers_.patience(id_of(i), question_.bytes)});
    readers_.run([&readers = readers_, answers = answers_, store = view_.stores()[i], i, begun,
                  question = question_] {
      const Result<Backend*> backend = store->reach();
      Result<T> result = backend ? question.ask(**backend, i)
                                 : Result<T>(std::unexpected(backend.error().clone()));
      if (result) readers.took(store->identity().store, question.bytes, readers.now() - begun);
      const MutexLock lock(answers->mutex);
      if ((answers->overdue & mask_of(i)) != 0) readers.end_overdue(store->identity().store);
      answers->overdue &= ~mask_of(i);
      answers->come.push_back({i, std::move(result)});
      answers->changed.notify_all();
    });
  }

  // The next one that others will be asked beside.
  [[nodiscard]] Asked* next_overdue() {
    Asked* next = nullptr;
    for (Asked& one : asked_) {
      if (one.overdue || one.waited_for) continue;
      if (next == nullptr || one.until < next->until) next = &one;
    }
    return next;
  }

  // Waits for an answer, or until one is overdue.
  void take_answers() {
    // The clock of a test is turned by hand, so it is looked at now and then.
    constexpr std::chrono::nanoseconds kLook = std::chrono::milliseconds(50);
    while (true) {
      Asked* const late = waiting_.empty() ? nullptr : next_overdue();
      if (late != nullptr && readers_.now() >= late->until) {
        pass_by(*late);
        if (late->overdue) return;
        continue;
      }
      std::deque<Answer> come;
      {
        const MutexLock lock(answers_->mutex);
        if (answers_->come.empty() && late == nullptr) answers_->changed.wait(answers_->mutex);
        if (answers_->come.empty() && late != nullptr)
          answers_->changed.wait_for(answers_->mutex,
                                     std::min(kLook, late->until - readers_.now()));
        come.swap(answers_->come);
      }
      for (Answer& answer : come) {
        std::erase_if(asked_, [&](const Asked& one) { return one.store == answer.store; });
        judge_.take(answer.store, std::move(answer.result));
      }
      if (!come.empty()) return;
    }
  }

  // Asks others beside a store that does not answer, where that may be.
  void pass_by(Asked& late) {
    late.overdue = true;
    const std::size_t lacking = judge_.lacking(pending());
    const std::size_t there = count_of(expected());
    const std::size_t more = lacking > there ? lacking - there : 0;
    late.overdue = false;
    late.waited_for = true;
    if (more == 0 || more > waiting_.size() || !readers_.may_make_extra(more)) return;
    {
      const MutexLock lock(answers_->mutex);
      const bool answered = std::ranges::any_of(
          answers_->come, [&](const Answer& answer) { return answer.store == late.store; });
      if (!answered) {
        answers_->overdue |= mask_of(late.store);
        readers_.begin_overdue(id_of(late.store));
      }
    }
    late.overdue = true;
    // `late` lies in what grows now.
    for (std::size_t i = 0; i < more; ++i) begin(Because::kOverdue);
  }

  Readers& readers_;
  const View& view_;
  const Question<T>& question_;
  Judge& judge_;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  std::deque<unsigned> waiting_;
  std::deque<Asked> asked_;
};

}  // namespace backstay::backend::placement
