// Tasks on one thread that give up control by themselves: what runs when is the scheduler's choice
// alone, so that a seed fixes all of it.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace backstay::sim {

class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs until it yields or ends. From outside of all fibers.
  void resume();
  // From inside: back to whoever resumed it.
  void yield();
  [[nodiscard]] bool done() const { return done_; }

 private:
  static void enter(unsigned high, unsigned low);
  static constexpr std::size_t kStackBytes = 1024 * 1024;

  std::function<void()> body_;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t self_{};
  ucontext_t resumer_{};
  bool done_ = false;
};

}  // namespace backstay::sim
