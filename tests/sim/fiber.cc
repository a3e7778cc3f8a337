#include "fiber.h"

#include <cstdint>

namespace backstay::sim {

Fiber::Fiber(std::function<void()> body)
    : body_(std::move(body)), stack_(std::make_unique_for_overwrite<std::byte[]>(kStackBytes)) {
  getcontext(&self_);
  self_.uc_stack.ss_sp = stack_.get();
  self_.uc_stack.ss_size = kStackBytes;
  self_.uc_link = &resumer_;
  // makecontext() passes integers only.
  const auto address = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&self_, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
              static_cast<unsigned>(address >> 32), static_cast<unsigned>(address & 0xffffffffU));
}

void Fiber::enter(unsigned high, unsigned low) {
  auto* const fiber = reinterpret_cast<Fiber*>((static_cast<std::uintptr_t>(high) << 32) | low);
  fiber->body_();
  fiber->done_ = true;
}

void Fiber::resume() {
  if (!done_) swapcontext(&resumer_, &self_);
}

void Fiber::yield() {
  swapcontext(&self_, &resumer_);
}

}  // namespace backstay::sim
