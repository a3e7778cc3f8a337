// Threads that run tasks as they come.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"

namespace backstay::engine::restoring {

class Workers {
 public:
  using Task = std::move_only_function<void()>;
  // `weight_max` bounds the tasks that wait.
  Workers(std::size_t threads, std::size_t weight_max);
  ~Workers() { finish(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Waits while too many tasks wait. Tasks must not submit tasks.
  void submit(Task task, std::size_t weight) { tasks_.push(std::move(task), weight); }
  // Returns when every task has run. Nothing is submitted afterwards.
  void finish();

 private:
  BoundedQueue<Task> tasks_;
  std::vector<std::jthread> threads_;
};

}  // namespace backstay::engine::restoring
