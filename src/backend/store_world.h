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

}  // namespace backstay::backend
