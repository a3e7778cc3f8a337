// What a store that is not a folder of this machine asks of the world around it.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "backend/retry_backend.h"
#include "base/clock.h"
#include "base/rng.h"

namespace backstay::backend {

// What is referred to outlives the store.
struct StoreWorld {
  const Clock& clock;
  Rng& rng;
  std::stop_token stop;
  // An environment variable.
  std::function<std::optional<std::string>(std::string_view name)> variable;
  // What the variable NAME holds, else the file that NAME_FILE names, else what the program of
  // NAME_COMMAND prints. Nothing where none is set.
  std::function<Result<std::optional<std::string>>(std::string_view name)> secret;
  RetryBackend::Note note_retry;  // may be empty
  RetryPolicy retries = {};       // of stores in the network
};

// The file with the authorities that are trusted instead of the system's; empty where none is
// named.
[[nodiscard]] inline std::string authorities_file(const StoreWorld& world) {
  if (auto file = world.variable("BACKSTAY_CA_FILE")) return *std::move(file);
  return world.variable("SSL_CERT_FILE").value_or("");
}

}  // namespace backstay::backend
