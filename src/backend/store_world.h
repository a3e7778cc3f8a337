// What a store that is not a folder of this machine asks of the world around it.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "backend/retry_backend.h"
#include "backend/tuned_backend.h"
#include "base/clock.h"
#include "base/rng.h"

namespace backstay::backend {

// An environment variable by its name.
using Variables = std::function<std::optional<std::string>(std::string_view name)>;

// What is referred to outlives the store.
struct StoreWorld {
  const Clock& clock;
  Rng& rng;
  std::stop_token stop;
  Variables variable;
  // What the variable NAME holds, else the file that NAME_FILE names, else what the program of
  // NAME_COMMAND prints. Nothing where none is set.
  std::function<Result<std::optional<std::string>>(std::string_view name)> secret;
  RetryBackend::Note note_retry;           // may be empty
  RetryPolicy retries = {};                // of stores in the network
  TunedBackend::Tell tell_transfers = {};  // may be empty; of stores in the network
  // What a store did by itself that people should know, in one line. May be empty.
  std::function<void(const std::string& line)> note = {};
};

// The file with the authorities that are trusted instead of the system's; empty where none is
// named.
[[nodiscard]] std::string authorities_file(const Variables& variable);

// How many connections the variable `name` allows, from 1 to 64; `otherwise` where it is not set.
// invalid_argument when it holds anything else.
Result<std::size_t> connections_in(const Variables& variable, std::string_view name,
                                   std::size_t otherwise);

}  // namespace backstay::backend
