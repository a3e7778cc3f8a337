#include "engine/restore/workers.h"

#include <algorithm>

namespace backstay::engine::restoring {

Workers::Workers(std::size_t threads, std::size_t weight_max) : tasks_(weight_max) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    threads_.emplace_back([this] {
      while (std::optional<Task> task = tasks_.pop()) (*task)();
    });
  }
}

void Workers::finish() {
  tasks_.close();
  threads_.clear();  // joins
}

}  // namespace backstay::engine::restoring
