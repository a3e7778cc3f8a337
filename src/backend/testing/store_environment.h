// The world of a store in a test: an environment of its own, and a clock and luck that are real.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "backend/store_world.h"
#include "crypto/random.h"

namespace backstay::backend {

class StoreEnvironment {
 public:
  // "" takes a variable away. A secret is what the variable of its name holds.
  void set(const std::string& name, const std::string& value) { variables_[name] = value; }

  [[nodiscard]] StoreWorld world(std::stop_token stop = {}) {
    const auto variable = [this](std::string_view name) -> std::optional<std::string> {
      const auto found = variables_.find(std::string(name));
      if (found == variables_.end() || found->second.empty()) return std::nullopt;
      return found->second;
    };
    return {.clock = clock_,
            .rng = rng_,
            .stop = std::move(stop),
            .variable = variable,
            .secret = [variable](std::string_view name) -> Result<std::optional<std::string>> {
              return variable(name);
            },
            .note_retry = {}};
  }

 private:
  SystemClock clock_;
  crypto::SystemRng rng_;  // several threads use it
  std::map<std::string, std::string> variables_;
};

}  // namespace backstay::backend
